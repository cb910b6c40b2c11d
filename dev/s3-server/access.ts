import { S3Error } from './errors.js'
import type { Bucket, ObjectVersion, PublicAccess } from './storage.js'

/** Who may what without credentials: by option, bucket policy, or canned ACL. */

const nobody: PublicAccess = { prefixes: [], exact: [], list: false }

export function mayList(bucket: Bucket): boolean {
  return bucket.publicAcl || [bucket.granted, bucket.policy?.access].some((access) => access?.list === true)
}

export function mayRead(bucket: Bucket, key: string, version: ObjectVersion | undefined): boolean {
  if (version?.publicRead === true) return true
  return [bucket.granted, bucket.policy?.access].some((access) => access !== undefined && (access.exact.includes(key) || access.prefixes.some((prefix) => key.startsWith(prefix))))
}

type Json = Record<string, unknown>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads a bucket policy of the public-read kind: statements that allow everybody s3:GetObject on keys or
 * prefixes, or s3:ListBucket on the bucket.
 * @throws S3Error MalformedPolicy; NotImplemented for anything else that a policy can say
 */
export function parsePolicy(text: string, bucket: string): PublicAccess {
  const policy = parseJson(text)
  if (!isObject(policy) || (policy.Version !== '2012-10-17' && policy.Version !== '2008-10-17')) throw new S3Error('MalformedPolicy')
  only(policy, ['Version', 'Id', 'Statement'])
  const statements = Array.isArray(policy.Statement) ? (policy.Statement as unknown[]) : [policy.Statement]
  let access = nobody
  for (const statement of statements) access = grant(access, statement, bucket)
  return access
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new S3Error('MalformedPolicy', 'This policy contains invalid Json')
  }
}

function only(value: Json, names: readonly string[]): void {
  for (const name of Object.keys(value)) if (!names.includes(name)) throw new S3Error('NotImplemented', `${name} in a policy is not implemented.`)
}

function grant(access: PublicAccess, statement: unknown, bucket: string): PublicAccess {
  if (!isObject(statement)) throw new S3Error('MalformedPolicy')
  only(statement, ['Sid', 'Effect', 'Principal', 'Action', 'Resource'])
  if (statement.Effect !== 'Allow') throw new S3Error('NotImplemented', 'Only the effect Allow is implemented.')
  const principal = isObject(statement.Principal) ? texts(statement.Principal.AWS) : texts(statement.Principal)
  if (principal.join() !== '*') throw new S3Error('NotImplemented', 'Only the principal * is implemented.')
  const resources = texts(statement.Resource).map((arn) => resourceOf(arn, bucket))
  let next = access
  for (const action of texts(statement.Action)) {
    if (action === 's3:ListBucket') {
      if (!resources.includes('')) throw new S3Error('MalformedPolicy', 'Action does not apply to any resource(s) in statement')
      next = { ...next, list: true }
    } else if (action === 's3:GetObject') next = withKeys(next, resources)
    else throw new S3Error('NotImplemented', `The action ${action} is not implemented.`)
  }
  return next
}

function withKeys(access: PublicAccess, resources: readonly string[]): PublicAccess {
  const patterns = resources.filter((resource) => resource !== '').map((resource) => resource.slice(1))
  if (patterns.length === 0) throw new S3Error('MalformedPolicy', 'Action does not apply to any resource(s) in statement')
  if (patterns.some((pattern) => /[*?](?!$)|\?$|\$\{/.test(pattern))) throw new S3Error('NotImplemented', 'Only a * at the end of a resource is implemented.')
  return {
    ...access,
    prefixes: [...access.prefixes, ...patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1))],
    exact: [...access.exact, ...patterns.filter((pattern) => !pattern.endsWith('*'))],
  }
}

/* `` for the bucket, `/…` for keys in it. */
function resourceOf(arn: string, bucket: string): string {
  const head = `arn:aws:s3:::${bucket}`
  if (arn === head) return ''
  if (arn.startsWith(`${head}/`)) return arn.slice(head.length)
  throw new S3Error('MalformedPolicy', 'Policy has invalid resource')
}

function texts(value: unknown): string[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [value]
  if (list.length === 0 || !list.every((item) => typeof item === 'string')) throw new S3Error('MalformedPolicy')
  return list
}
