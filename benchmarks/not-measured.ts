/** There is a reason, and it is no failure, that a figure or a target is missing from the table. */
export class NotMeasured extends Error {
  override readonly name = 'NotMeasured'
}
