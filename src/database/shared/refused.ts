const codes: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS'])

/** Whether the file system says that this user, or nobody, may write there. */
export function isRefused(error: unknown): boolean {
  return error instanceof Error && codes.has((error as NodeJS.ErrnoException).code)
}
