import { expect, test } from 'vitest'
import { EbookletError } from '../../src/base/error.js'
import { utf8Encode } from '../../src/base/bytes.js'
import { S3Store } from '../../src/store/index.js'
import { parseErrorDocument } from '../../src/store/s3/errors.js'
import { objectPage, versionPage } from '../../src/store/s3/listing.js'
import { parseXml } from '../../src/store/s3/xml.js'
import { SeededRandom } from '../support/seed.js'
import { rawServer } from '../store/raw-server.js'
import { attempt, mutate, rounds, told } from './mutate.js'

/* The answers of S3 servers, mutated: listings, versions, results of a multi-delete, errors. */

const entry = '<Key>a%2Bb</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>12</Size>'
const documents = {
  listing: `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents>${entry}</Contents><Contents>${entry.replace('a%2Bb', 'c')}</Contents></ListBucketResult>`,
  versions: `<ListVersionsResult><IsTruncated>false</IsTruncated><NextKeyMarker>a</NextKeyMarker><Version>${entry}<VersionId>1</VersionId><IsLatest>true</IsLatest></Version><DeleteMarker>${entry}<VersionId>2</VersionId></DeleteMarker></ListVersionsResult>`,
  deleted: '<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>&#x1F600;</Message></Error></DeleteResult>',
  error: '<Error><Code>NoSuchKey</Code><Message>no &lt;such&gt; key</Message><Region>eu-west-1</Region></Error>',
}
const hostile = [
  '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
  '<__proto__><constructor><prototype>1</prototype></constructor></__proto__>',
  '<a b="c" __proto__="d"><![CDATA[<x>]]><!-- -- --></a>',
  '<toString><hasOwnProperty/></toString>',
]
const seeds = [...Object.values(documents), ...hostile].map((text) => utf8Encode(text))

test('the readers of documents', { timeout: 30_000 * rounds(1) }, () => {
  const random = new SeededRandom()
  let read = 0
  for (let i = 0; i < rounds(6000); i++) {
    const text = new TextDecoder().decode(mutate(random, random.pick(seeds), seeds))
    const root = attempt('parseXml', text, () => parseXml(text))
    attempt('parseErrorDocument', text, () => parseErrorDocument(text))
    if (!root) continue
    read++
    attempt('objectPage', text, () => objectPage(root, 'store'))
    attempt('versionPage', text, () => versionPage(root, 'store'))
  }
  expect(read).toBeGreaterThan(100)
})

test('nesting of 1,000,000 levels, and entities that unfold, end in an error', () => {
  for (const text of ['<a>'.repeat(1e6), '<a>'.repeat(1e6) + '</a>'.repeat(1e6), '<ListBucketResult>' + '<Contents>'.repeat(3e5), '<!DOCTYPE x>', '<a>' + '&amp;'.repeat(1e6)]) {
    attempt('parseXml', text.slice(0, 30), () => parseXml(text))
    attempt('parseErrorDocument', text.slice(0, 30), () => parseErrorDocument(text))
  }
})

test('whole calls of a store', { timeout: 60_000 * rounds(1) }, async () => {
  const random = new SeededRandom()
  let text = ''
  let status = 200
  await using server = await rawServer((request, response) => {
    request.resume()
    response.writeHead(status, { 'content-type': 'application/xml' }).end(text)
  })
  const store = new S3Store({ endpoint: server.origin, bucket: 'bucket', credentials: { accessKeyId: 'id', secretAccessKey: 'secret' } })
  const calls: (() => Promise<unknown>)[] = [
    () => collect(store.list('')),
    () => collect(store.list('a')),
    () => collect(store.listVersions('')),
    () => store.delete([{ key: 'a' }, { key: 'b' }]),
    () => store.get('a'),
    () => store.put('a', new Uint8Array(1), { ifNoneMatch: '*' }),
    () => store.copy('a', 'b'),
  ]
  for (let i = 0; i < rounds(400); i++) {
    text = new TextDecoder().decode(mutate(random, random.pick(seeds), seeds))
    status = random.pick([200, 200, 200, 403, 404, 409, 412, 500, 501])
    const started = performance.now()
    try {
      await random.pick(calls)()
    } catch (error) {
      if (!(error instanceof EbookletError)) throw new Error(told(`a store, status ${status}`, text, String((error as Error).stack)), { cause: error })
    }
    if (performance.now() - started > 5000) throw new Error(told('a store', text, 'took too long'))
  }
  await store.close()
})

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const out: unknown[] = []
  for await (const item of items) {
    out.push(item)
    if (out.length > 10_000) throw new Error('a listing without end')
  }
  return out
}
