import { parsePolicy } from './access.js'
import { readAcl } from './attributes.js'
import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime } from './call.js'
import { parseCors, writeCors } from './cors.js'
import { S3Error } from './errors.js'
import { ownerElement } from './listings.js'
import { readDocument } from './multi-delete.js'
import { expectCannedAcl } from './objects.js'
import { document, expectShape, leaf, node, parseXml, textOf } from './xml.js'

const read = { access: 'owner', writes: false } as const
const write = { access: 'owner', writes: true } as const

export const bucketOperations: readonly Operation[] = [
  { name: 'ListBuckets', method: 'GET', on: 'service', ...read, run: listBuckets },
  { name: 'GetBucketLocation', method: 'GET', on: 'bucket', when: ['location'], ...read, run: getLocation },
  { name: 'GetBucketCors', method: 'GET', on: 'bucket', when: ['cors'], ...read, run: getCors },
  { name: 'PutBucketCors', method: 'PUT', on: 'bucket', when: ['cors'], ...write, run: putCors },
  { name: 'DeleteBucketCors', method: 'DELETE', on: 'bucket', when: ['cors'], ...write, run: deleteCors },
  { name: 'GetBucketPolicy', method: 'GET', on: 'bucket', when: ['policy'], ...read, run: getPolicy },
  { name: 'PutBucketPolicy', method: 'PUT', on: 'bucket', when: ['policy'], ...write, run: putPolicy },
  { name: 'DeleteBucketPolicy', method: 'DELETE', on: 'bucket', when: ['policy'], ...write, run: deletePolicy },
  { name: 'PutBucketAcl', method: 'PUT', on: 'bucket', when: ['acl'], headers: ['x-amz-acl'], ...write, run: putAcl },
  { name: 'HeadBucket', method: 'HEAD', on: 'bucket', access: 'list', writes: false, run: headBucket },
  { name: 'CreateBucket', method: 'PUT', on: 'bucket', headers: ['x-amz-acl'], ...write, run: createBucket },
  { name: 'DeleteBucket', method: 'DELETE', on: 'bucket', ...write, run: deleteBucket },
]

function listBuckets(call: Call): Answer {
  const buckets = call.storage.names().map((name) => node('Bucket', leaf('Name', name), leaf('CreationDate', isoTime(call.storage.bucket(name).created))))
  return { status: 200, body: document('ListAllMyBucketsResult', ownerElement, node('Buckets', ...buckets)) }
}

function headBucket(call: Call): Answer {
  bucketOf(call)
  return { status: 200, headers: { 'x-amz-bucket-region': call.region } }
}

async function createBucket(call: Call): Promise<Answer> {
  const name = call.target.bucket
  await checkLocation(call)
  const publicAcl = readAcl(call.headers)
  if (call.storage.find(name) !== undefined) {
    // The oldest region forgives this, and keeps the bucket as it is.
    if (call.region === 'us-east-1') return { status: 200, headers: { Location: `/${name}` } }
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { details: { BucketName: name } })
  }
  call.storage.create(name).publicAcl = publicAcl
  return { status: 200, headers: { Location: `/${name}` } }
}

async function checkLocation(call: Call): Promise<void> {
  if ((call.headers.get('content-length') ?? '0') === '0' && !call.headers.has('transfer-encoding')) return
  const { bytes } = await call.body(65_536)
  if (bytes.length === 0) return
  const root = parseXml(bytes)
  expectShape(root, 'CreateBucketConfiguration', ['LocationConstraint'])
  const location = textOf(root, 'LocationConstraint')
  if (location !== undefined && location !== '' && location !== call.region) {
    throw new S3Error('IllegalLocationConstraintException', `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`)
  }
}

function deleteBucket(call: Call): Answer {
  call.storage.delete(bucketOf(call))
  return { status: 204 }
}

function getLocation(call: Call): Answer {
  bucketOf(call)
  const body = call.region === 'us-east-1' ? document('LocationConstraint') : document('LocationConstraint', call.region)
  return { status: 200, body }
}

function getCors(call: Call): Answer {
  const { cors } = bucketOf(call)
  if (cors === undefined) throw new S3Error('NoSuchCORSConfiguration')
  return { status: 200, body: writeCors(cors) }
}

async function putCors(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  bucket.cors = parseCors(await readDocument(call, true))
  return { status: 200 }
}

function deleteCors(call: Call): Answer {
  bucketOf(call).cors = undefined
  return { status: 204 }
}

function getPolicy(call: Call): Answer {
  const { policy } = bucketOf(call)
  if (policy === undefined) throw new S3Error('NoSuchBucketPolicy')
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body: Buffer.from(policy.text) }
}

async function putPolicy(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  // 20 KB is the limit of S3.
  const text = (await call.body(20_480)).bytes.toString()
  bucket.policy = { text, access: parsePolicy(text, bucket.name) }
  return { status: 204 }
}

function deletePolicy(call: Call): Answer {
  bucketOf(call).policy = undefined
  return { status: 204 }
}

async function putAcl(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  await expectCannedAcl(call)
  bucket.publicAcl = readAcl(call.headers)
  return { status: 200 }
}
