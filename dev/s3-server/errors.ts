/** The error codes that this server answers with: HTTP status and default message. Names and statuses are those of S3. */
const catalogue = {
  AccessDenied: [403, 'Access Denied'],
  AccessForbidden: [403, 'CORSResponse: This CORS request is not allowed.'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters that you provided are not valid.'],
  BadDigest: [400, 'A digest that you specified does not match the one calculated from the body.'],
  BadRequest: [400, 'Bad Request'],
  BucketAlreadyOwnedByYou: [409, 'The bucket exists already and is yours.'],
  BucketNotEmpty: [409, 'The bucket holds objects, versions or delete markers.'],
  EntityTooLarge: [400, 'The body is larger than the largest object allowed.'],
  EntityTooSmall: [400, 'A part other than the last is smaller than the smallest part allowed.'],
  ExpiredToken: [400, 'The provided token has expired.'],
  IllegalLocationConstraintException: [400, 'The location constraint does not fit the region of this endpoint.'],
  IncompleteBody: [400, 'The body does not have the number of bytes that the headers announce.'],
  InternalError: [500, 'The server met an error of its own.'],
  InvalidAccessKeyId: [403, 'The access key id that you provided does not exist here.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketName: [400, 'The bucket name is not valid.'],
  InvalidDigest: [400, 'The Content-MD5 that you specified is not the base64 form of 16 bytes.'],
  InvalidPart: [400, 'A part was not uploaded, or its ETag does not match.'],
  InvalidPartOrder: [400, 'The parts are not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidToken: [400, 'The security token is missing, malformed or not that of this key.'],
  InvalidURI: [400, 'The request target could not be parsed.'],
  KeyTooLongError: [400, 'The key is longer than 1024 bytes.'],
  MalformedPolicy: [400, 'The policy is not valid.'],
  MalformedTrailerError: [400, 'The trailer is malformed, or not the one announced by x-amz-trailer.'],
  MalformedXML: [400, 'The XML is not well-formed or not what this operation takes.'],
  MaxMessageLengthExceeded: [400, 'The request document is too large.'],
  MetadataTooLarge: [400, 'The user metadata is larger than 2048 bytes.'],
  MethodNotAllowed: [405, 'The method is not allowed against this resource.'],
  MissingContentLength: [411, 'A Content-Length header is required.'],
  NoSuchBucket: [404, 'The bucket does not exist.'],
  NoSuchBucketPolicy: [404, 'The bucket has no policy.'],
  NoSuchCORSConfiguration: [404, 'The bucket has no CORS configuration.'],
  NoSuchKey: [404, 'The key does not exist.'],
  NoSuchUpload: [404, 'The multipart upload does not exist: completed, aborted, or never created.'],
  NoSuchVersion: [404, 'The version does not exist.'],
  NotImplemented: [501, 'This server does not implement what the request asks for.'],
  PreconditionFailed: [412, 'A precondition that you specified did not hold.'],
  QuotaExceeded: [403, 'The server holds as many bytes as its maxBytes option allows.'],
  RequestTimeTooSkewed: [403, "The request's time differs too much from the server's."],
  RequestTimeout: [400, 'The connection was silent for too long while the body was read.'],
  SignatureDoesNotMatch: [403, 'The signature calculated here is not the one that you provided. Check the secret key and the signing method.'],
  XAmzContentSHA256Mismatch: [400, 'The x-amz-content-sha256 header is not the SHA-256 of the body.'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof catalogue

/** What to add to an error answer: elements of its XML, and headers. */
export interface ErrorExtra {
  readonly details?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A refusal: thrown anywhere while a request is handled, and turned into the error document in one place. */
export class S3Error extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly details: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, message?: string, extra: ErrorExtra = {}) {
    super(message ?? catalogue[code][1])
    this.name = 'S3Error'
    this.code = code
    this.status = catalogue[code][0]
    this.details = extra.details ?? {}
    this.headers = extra.headers ?? {}
  }
}
