export {
  AccessDeniedError,
  BucketNotFoundError,
  CredentialsError,
  IncompleteResponseError,
  ObjectChangedError,
  PreconditionFailedError,
  ResponseTooLargeError,
  StoreError,
  StoreRequestError,
  StoreUnreachableError,
  UnsupportedKeyError,
  UnsupportedOperationError,
} from './errors.js'
export { HttpStore, type HttpStoreOptions } from './http/http-store.js'
export { compareKeys, MAX_KEY_BYTES } from './keys.js'
export { withLimit } from './limit.js'
export { MemoryBucket, MemoryStore, type MemoryBucketOptions, type MemoryStoreOptions } from './memory-store.js'
export type * from './object-store.js'
export * from './transfer/index.js'
export { isRetryable, withRetry, type RetryOptions } from './retry.js'
export type { S3Credentials, S3CredentialProvider, S3CredentialsOption } from './s3/credentials.js'
export { resolveAddress, type S3StoreOptions } from './s3/options.js'
export { S3Store } from './s3/s3-store.js'
export { DirectoryStore, type DirectoryStoreOptions } from './directory/directory-store.js'
