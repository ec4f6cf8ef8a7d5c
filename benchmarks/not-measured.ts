/** A figure or a target is missing from the table for a reason that is no failure. */
export class NotMeasured extends Error {
  override readonly name = 'NotMeasured'
}
