import type { Credential } from './auth.js'
import type { CorsRule } from './storage.js'

/** A bucket that exists when the server starts. */
export interface BucketOptions {
  readonly name: string
  /** Default: never versioned. */
  readonly versioned?: boolean | undefined
  /**
   * What everybody may read without credentials. `true`: every object, and listings. A list: keys with these
   * prefixes, no listings, so that a missing key is a 403 to strangers, as at AWS. Default: nothing.
   */
  readonly publicRead?: boolean | readonly string[] | { readonly prefixes: readonly string[]; readonly list: boolean } | undefined
  /** CORS rules; `true`: every origin may GET and HEAD, and sees the headers that a reader needs. Default: none. */
  readonly cors?: true | readonly CorsRuleOptions[] | undefined
}

/** A CORS rule, of which only the origins and methods are needed. */
export type CorsRuleOptions = Pick<CorsRule, 'allowedOrigins' | 'allowedMethods'> & Partial<CorsRule>

export interface S3ServerOptions {
  /** Default 0: one that is free. Always on 127.0.0.1. */
  readonly port?: number | undefined
  /** Default: none. */
  readonly buckets?: readonly (string | BucketOptions)[] | undefined
  /** Key pairs that are owners of everything. Default: one, random. The first is what the running server shows. */
  readonly credentials?: readonly Credential[] | undefined
  /** Default us-east-1. */
  readonly region?: string | undefined
  /** ms since the epoch: for LastModified, Date, and the check of signatures' times. Default: the clock of the machine. */
  readonly clock?: (() => number) | undefined
  /** Most bytes that all objects, versions and parts may hold together. Default 1 GiB. */
  readonly maxBytes?: number | undefined
  /**
   * A folder for the bytes of larger objects, in one file that only grows and goes when the server ends. Default: they
   * are held in memory.
   */
  readonly folder?: string | undefined
  /** Names under which `<bucket>.<name>` addresses a bucket. Default: `localhost`. */
  readonly virtualHosts?: readonly string[] | undefined
  /** How many requests the log keeps. Default 100,000. */
  readonly logLimit?: number | undefined
  /** ms of silence within a body after which it answers RequestTimeout. Default 20,000. */
  readonly idleTimeout?: number | undefined
  /** ms that an idle connection is kept open. Default 60,000. */
  readonly keepAliveTimeout?: number | undefined
}

/** What `cors: true` stands for. */
export const openCors: CorsRule = {
  allowedOrigins: ['*'],
  allowedMethods: ['GET', 'HEAD'],
  allowedHeaders: ['*'],
  exposeHeaders: ['ETag', 'Date', 'Last-Modified', 'Content-Length', 'Content-Range', 'Accept-Ranges', ...['timestamp', 'uuid', 'type', 'init_bytes', 'format_version', 'num_groups'].map((name) => `x-amz-meta-${name}`)],
  maxAge: 3000,
}
