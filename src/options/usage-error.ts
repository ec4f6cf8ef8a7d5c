/**
 * The command line is invalid. The message is one sentence with the remedy; the exit status is 2.
 */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}
