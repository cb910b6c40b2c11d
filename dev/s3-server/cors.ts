import { S3Error } from './errors.js'
import type { Bucket, CorsRule } from './storage.js'
import type { XmlElement } from './xml.js'
import { all, document, expectShape, leaf, node, textOf } from './xml.js'

type Headers = ReadonlyMap<string, string>

const methods = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE']

/** Reads a CORSConfiguration document. @throws S3Error MalformedXML, InvalidRequest */
export function parseCors(root: XmlElement): CorsRule[] {
  expectShape(root, 'CORSConfiguration', ['CORSRule'])
  const rules = all(root, 'CORSRule').map(parseRule)
  if (rules.length === 0 || rules.length > 100) throw new S3Error('MalformedXML', 'A CORS configuration has 1 to 100 rules.')
  return rules
}

function parseRule(element: XmlElement): CorsRule {
  expectShape(element, 'CORSRule', ['ID', 'AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader', 'MaxAgeSeconds'])
  const texts = (name: string) => all(element, name).map((child) => child.text)
  const maxAge = textOf(element, 'MaxAgeSeconds')
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) throw new S3Error('MalformedXML')
  return checkRule({
    allowedOrigins: texts('AllowedOrigin'),
    allowedMethods: texts('AllowedMethod'),
    allowedHeaders: texts('AllowedHeader'),
    exposeHeaders: texts('ExposeHeader'),
    maxAge: maxAge === undefined ? undefined : Number(maxAge),
  })
}

/** Refuses what S3 refuses in a rule. */
export function checkRule(rule: CorsRule): CorsRule {
  if (rule.allowedOrigins.length === 0 || rule.allowedMethods.length === 0) throw new S3Error('MalformedXML', 'A CORS rule has at least one origin and one method.')
  for (const method of rule.allowedMethods) if (!methods.includes(method)) throw new S3Error('InvalidRequest', `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
  for (const pattern of [...rule.allowedOrigins, ...rule.allowedHeaders]) {
    if (pattern.split('*').length > 2) throw new S3Error('InvalidRequest', `"${pattern}" can not have more than one wildcard.`)
  }
  for (const name of rule.exposeHeaders) if (name.includes('*')) throw new S3Error('InvalidRequest', `ExposeHeader "${name}" contains wildcard. We currently do not support wildcard for ExposeHeader`)
  return rule
}

export function writeCors(rules: readonly CorsRule[]): string {
  const leaves = (name: string, values: readonly string[]) => values.map((value) => leaf(name, value)).join('')
  return document(
    'CORSConfiguration',
    ...rules.map((rule) =>
      node('CORSRule', leaves('AllowedOrigin', rule.allowedOrigins), leaves('AllowedMethod', rule.allowedMethods), leaves('AllowedHeader', rule.allowedHeaders), leaves('ExposeHeader', rule.exposeHeaders), leaf('MaxAgeSeconds', rule.maxAge)),
    ),
  )
}

function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === text
  const tail = pattern.slice(star + 1)
  return text.length >= pattern.length - 1 && text.startsWith(pattern.slice(0, star)) && text.endsWith(tail)
}

function findRule(rules: readonly CorsRule[], origin: string, method: string, headers: readonly string[]): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.allowedOrigins.some((pattern) => matches(pattern, origin)) &&
      rule.allowedMethods.includes(method) &&
      headers.every((header) => rule.allowedHeaders.some((pattern) => matches(pattern.toLowerCase(), header))),
  )
}

function ruleHeaders(rule: CorsRule, origin: string): Record<string, string> {
  const everybody = rule.allowedOrigins.includes('*')
  return {
    'Access-Control-Allow-Origin': everybody ? '*' : origin,
    ...(everybody ? {} : { 'Access-Control-Allow-Credentials': 'true' }),
    'Access-Control-Allow-Methods': rule.allowedMethods.join(', '),
    ...(rule.exposeHeaders.length > 0 ? { 'Access-Control-Expose-Headers': rule.exposeHeaders.join(', ') } : {}),
    Vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

/** What an answer to an ordinary request gets, errors too: nothing without a matching rule. */
export function corsHeaders(bucket: Bucket | undefined, method: string, headers: Headers): Record<string, string> {
  const origin = headers.get('origin')
  if (origin === undefined || bucket?.cors === undefined) return {}
  const rule = findRule(bucket.cors, origin, method, [])
  return rule === undefined ? {} : ruleHeaders(rule, origin)
}

/** The answer to a preflight request, which is never signed. @throws S3Error AccessForbidden, BadRequest */
export function preflightHeaders(bucket: Bucket, headers: Headers): Record<string, string> {
  const origin = headers.get('origin')
  const method = headers.get('access-control-request-method')
  if (origin === undefined) throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.')
  if (method === undefined || !methods.includes(method)) throw new S3Error('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`)
  if (bucket.cors === undefined) throw new S3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.')
  const asked = (headers.get('access-control-request-headers') ?? '').split(',').map((name) => name.trim().toLowerCase()).filter((name) => name !== '')
  const rule = findRule(bucket.cors, origin, method, asked)
  if (rule === undefined) {
    throw new S3Error('AccessForbidden', 'CORSResponse: This CORS request is not allowed.', { details: { Method: method } })
  }
  return {
    ...ruleHeaders(rule, origin),
    ...(asked.length > 0 ? { 'Access-Control-Allow-Headers': asked.join(', ') } : {}),
    ...(rule.maxAge === undefined ? {} : { 'Access-Control-Max-Age': String(rule.maxAge) }),
  }
}
