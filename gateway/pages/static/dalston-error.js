/** What went wrong: `code` is for programs, `message` for people. */
export class DalstonError extends Error {
  name = "DalstonError";

  /** `about` may have `closeCode`, `status`, and `retryAfter` in seconds. */
  constructor(code, message, about = {}) {
    super(message);
    Object.assign(this, { code, ...about });
  }
}
