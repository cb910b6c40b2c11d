/*
 * The record of uploads beside the local file: what a push has begun to send, so that the next one can go on after a
 * failure or a kill. Text of lines, each a JSON object, appended and never changed; the file goes when a commit has made
 * all of it true or worthless. A line that can't be read (torn, or of later times) counts as not there.
 *
 *   {"v":1,"remote":"…"}                                                the first: which database this is about
 *   {"n":0,"group":7,"generation":"…","size":9,"md5":"…"}               object 0 is about to be sent, in one request
 *   {"n":1,"group":8,"generation":"…","size":9,"partSize":5}            object 1 is about to be sent, in parts
 *   {"n":2,"key":"…","timestamp":5,"size":9,"md5":"…"}                  the same for values with objects of their own
 *   {"of":1,"upload":"…"}                                               the store's name of the upload
 *   {"of":1,"part":1,"md5":"…","etag":"…"}                              a part that the store has acknowledged
 *   {"of":2,"etag":"…"}                                                 an object that the store has acknowledged
 *   {"commit":true}                                                     a commit of what stands above is about to be sent
 */
import { FormatError } from '../base/error.js'
import { groupFromText } from './manifest.js'

export const UPLOAD_RECORD_VERSION = 1

export type UploadTarget = { group: number; generation: string } | { key: string; timestamp: number }

export interface RecordedObject {
  /** Its number in the record. */
  n: number
  target: UploadTarget
  /** Bytes of the object. */
  size: number
  /** Of an object that goes in one request: its MD5, in hexadecimal digits. */
  md5: string | undefined
  /** Of one that goes in parts: bytes of each but the last. */
  partSize: number | undefined
}

export interface RecordedPart {
  of: number
  part: number
  /** In hexadecimal digits. */
  md5: string
  etag: string
}

export type RecordLine =
  | { is: 'head'; remote: string }
  | { is: 'object'; object: RecordedObject }
  | { is: 'upload'; of: number; upload: string }
  | { is: 'part'; part: RecordedPart }
  | { is: 'sent'; of: number; etag: string }
  | { is: 'commit' }

/** One line, with its end. */
export function encodeRecordLine(line: RecordLine): string {
  return `${JSON.stringify(plainLine(line))}\n`
}

function plainLine(line: RecordLine): Record<string, unknown> {
  switch (line.is) {
    case 'head':
      return { v: UPLOAD_RECORD_VERSION, remote: line.remote }
    case 'object': {
      const { n, target, size, md5, partSize } = line.object
      return { n, ...target, size, ...(md5 === undefined ? { partSize } : { md5 }) }
    }
    case 'upload':
      return { of: line.of, upload: line.upload }
    case 'part':
      return { ...line.part }
    case 'sent':
      return { of: line.of, etag: line.etag }
    case 'commit':
      return { commit: true }
  }
}

/** The lines of a record that can be read. */
export function* decodeRecord(text: string): Generator<RecordLine> {
  for (const line of text.split('\n')) {
    const decoded = decodeLine(line)
    if (decoded) yield decoded
  }
}

function decodeLine(text: string): RecordLine | undefined {
  if (text === '') return undefined
  try {
    const fields = JSON.parse(text) as unknown
    return typeof fields === 'object' && fields !== null ? readLine(fields as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function readLine(fields: Record<string, unknown>): RecordLine | undefined {
  const has = (name: string) => Object.hasOwn(fields, name)
  if (has('v')) return fields['v'] === UPLOAD_RECORD_VERSION ? { is: 'head', remote: textOf(fields['remote']) } : undefined
  if (has('n')) return { is: 'object', object: objectOf(fields) }
  if (has('upload')) return { is: 'upload', of: whole(fields['of']), upload: textOf(fields['upload']) }
  if (has('part')) return { is: 'part', part: { of: whole(fields['of']), part: whole(fields['part']), md5: md5Of(fields['md5']), etag: textOf(fields['etag']) } }
  if (has('etag')) return { is: 'sent', of: whole(fields['of']), etag: textOf(fields['etag']) }
  return fields['commit'] === true ? { is: 'commit' } : undefined
}

function objectOf(fields: Record<string, unknown>): RecordedObject {
  const md5 = fields['md5'] === undefined ? undefined : md5Of(fields['md5'])
  const partSize = md5 === undefined ? whole(fields['partSize'], 1) : undefined
  return { n: whole(fields['n']), target: targetOf(fields), size: whole(fields['size']), md5, partSize }
}

function targetOf(fields: Record<string, unknown>): UploadTarget {
  if (fields['key'] !== undefined) return { key: textOf(fields['key']), timestamp: whole(fields['timestamp']) }
  const group = groupFromText(`${whole(fields['group'])}.${textOf(fields['generation'])}`)
  if (group === undefined) throw new FormatError('not the name of a group object')
  return { group: group.gid, generation: group.generation }
}

function whole(value: unknown, least = 0): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) throw new FormatError('not a whole number in range')
  return value
}

function textOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new FormatError('not a text')
  return value
}

function md5Of(value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{32}$/.test(value)) throw new FormatError('not an MD5')
  return value
}
