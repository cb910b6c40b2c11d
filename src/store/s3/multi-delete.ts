import { createHash } from 'node:crypto'
import { UnsupportedOperationError } from '../errors.js'
import type { CallOptions, DeleteResult, DeleteTarget } from '../object-store.js'
import type { S3Client } from './client.js'
import { s3Error } from './errors.js'
import { escapeXml, fitsXml } from './xml.js'

const MAX_PER_REQUEST = 1000
const SIDE_BY_SIDE = 4

type Failure = DeleteResult['failures'][number]

/** Deletes any number of objects or versions: by the thousand where XML can hold the keys, one by one where not. */
export async function deleteObjects(client: S3Client, bucket: string, targets: readonly DeleteTarget[], options: CallOptions): Promise<DeleteResult> {
  const jobs: { targets: DeleteTarget[]; run: () => Promise<Failure[]> }[] = []
  const together = targets.length === 1 ? [] : targets.filter((target) => fitsXml(target.key))
  for (let at = 0; at < together.length; at += MAX_PER_REQUEST) {
    const batch = together.slice(at, at + MAX_PER_REQUEST)
    jobs.push({ targets: batch, run: () => deleteBatch(client, bucket, batch, options) })
  }
  for (const target of targets) {
    if (targets.length === 1 || !fitsXml(target.key)) jobs.push({ targets: [target], run: () => deleteOne(client, target, options) })
  }

  const failures: Failure[] = []
  let broken = 0
  const queue = jobs.values()
  const worker = async () => {
    for (const job of queue) {
      try {
        failures.push(...(await job.run()))
      } catch (cause) {
        options.signal?.throwIfAborted()
        const error = cause instanceof Error ? cause : new Error(String(cause))
        broken++
        failures.push(...job.targets.map((target) => ({ target, error })))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, jobs.length) }, worker))
  const [first] = failures
  if (first !== undefined && broken === jobs.length) throw first.error
  return { failures }
}

async function deleteOne(client: S3Client, target: DeleteTarget, options: CallOptions): Promise<Failure[]> {
  const response = await client.send({
    method: 'DELETE',
    key: target.key,
    query: target.versionId === undefined ? {} : { versionId: target.versionId },
    accept: [200, 204, 404],
    signal: options.signal,
  })
  if (response.status !== 404) await response.discard()
  else await client.failUnlessMissingKey(response, { method: 'DELETE', key: target.key, accept: [] })
  return []
}

async function deleteBatch(client: S3Client, bucket: string, batch: readonly DeleteTarget[], options: CallOptions): Promise<Failure[]> {
  const body = new TextEncoder().encode(deleteDocument(batch))
  try {
    const root = await client.sendForXml({
      method: 'POST',
      action: 'delete',
      query: { delete: '' },
      headers: { 'content-type': 'application/xml', 'content-md5': createHash('md5').update(body).digest('base64') },
      body,
      accept: [200],
      signal: options.signal,
    })
    return readFailures(root.all('Error').map((error) => (name: string) => error.value(name)), client.name, bucket, batch)
  } catch (error) {
    if (!(error instanceof UnsupportedOperationError)) throw error
    // A server without multi-delete.
    const failures: Failure[] = []
    for (const target of batch) failures.push(...(await deleteOne(client, target, options)))
    return failures
  }
}

function deleteDocument(batch: readonly DeleteTarget[]): string {
  const objects = batch.map(({ key, versionId }) => {
    const version = versionId === undefined ? '' : `<VersionId>${escapeXml(versionId)}</VersionId>`
    return `<Object><Key>${escapeXml(key)}</Key>${version}</Object>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${objects.join('')}<Quiet>true</Quiet></Delete>`
}

function readFailures(errors: ((name: string) => string | undefined)[], store: string, bucket: string, batch: readonly DeleteTarget[]): Failure[] {
  const failures: Failure[] = []
  for (const value of errors) {
    const reason = value('Code')
    if (reason === 'NoSuchKey' || reason === 'NoSuchVersion') continue
    const key = value('Key')
    const version = value('VersionId')
    const named = batch.filter((target) => target.key === key && (version === undefined || version === '' || (target.versionId ?? version) === version))
    // An entry that names nothing known casts doubt on all of them.
    for (const target of named.length === 0 ? batch : named) {
      const refusal = { status: reason === 'InternalError' || reason === 'SlowDown' ? 500 : 400, reason, message: value('Message'), region: undefined, retryAfter: undefined }
      failures.push({ target, error: s3Error(refusal, { store, bucket, key: target.key, action: 'delete', conditional: false }) })
    }
  }
  return failures
}
