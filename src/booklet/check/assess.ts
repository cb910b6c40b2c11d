/** What a file holds and what is wrong with it, told without changing it. */
import { EbookletError, FormatError } from '../../base/error.js'
import type { FindingList } from '../../base/findings.js'
import { blockLayout } from '../../format/block.js'
import { type BookletHeader, type BookletKind, decodeHeader, HEADER_LENGTH, headerVersion, NOT_CLOSED } from '../../format/booklet-header.js'
import type { RandomAccessFile } from '../../platform/random-access-file.js'
import type { FileHome } from '../file-home.js'
import { finishCommit, judge, syncedLength } from '../recover.js'
import type { RecoveryRecord } from '../recovery-record.js'
import { isWholeImage } from '../rewrite.js'
import { checkLayout, type Surveyed } from '../survey.js'
import type { Verdict } from '../verify.js'
import { tellOfChains } from './chains.js'
import { bookletFinding, type BookletFinding } from './finding.js'
import { inspectHeader } from './inspect-header.js'
import { OverlayFile } from './overlay-file.js'

export interface Assessment {
  /** Undefined when the file is no booklet. */
  kind: BookletKind | undefined
  /** The 200 bytes, as they are once what was under way is finished. */
  headerBytes: Uint8Array
  /** Undefined when it can't be believed. */
  header: BookletHeader | undefined
  record: RecoveryRecord | undefined
  /** The contents once what was under way is finished: the file with that in front, or the side file. */
  file: RandomAccessFile
  /** Where that ends. */
  end: number
  /** Where what was synced ends, as far as that is known; else the end. */
  contentEnd: number
  /** Undefined when the index can't be believed. */
  verdict: Verdict | undefined
  /** Lets go of a side file that was opened. */
  close(): void
}

type Findings = FindingList<BookletFinding>

/** Looks through a whole file. What it tells of is in `findings`. */
export function assess(home: FileHome, findings: Findings): Assessment {
  const all = new Uint8Array(HEADER_LENGTH)
  const headerBytes = all.subarray(0, home.file.read(0, all))
  const fileBytes = home.file.size()
  const inspected = inspectHeader(headerBytes, fileBytes)
  for (const finding of inspected.findings) findings.add(finding)
  const { kind, record, rewriting } = inspected
  const out: Assessment = { kind, headerBytes, header: inspected.header, record, file: home.file, end: fileBytes, contentEnd: fileBytes, verdict: undefined, close: () => undefined }
  if (out.header === undefined || kind === undefined) return out
  if (rewriting) assessRewriting(home, out, record!, findings)
  else assessStep(out, findings)
  if (out.header !== undefined) out.verdict = verdictOf(home.path, out, rewriting ? undefined : syncedLength(record), findings)
  if (out.verdict && !rewriting) tellOfKeyCount(out, findings)
  return out
}

/* A prune or a clear was stopped: what is in the file itself is half-way. */
function assessRewriting(home: FileHome, out: Assessment, record: RecoveryRecord, findings: Findings): void {
  if (record.state === 'commit') return finishOnOverlay(out, record, findings)
  const step = record.state === 'clear' ? 'clear' : 'prune'
  const sidecar = record.state === 'rewrite' ? home.openSidecar() : undefined
  const finishable = record.state === 'clear' ? record.nBuckets === out.header?.nBuckets : sidecar !== undefined && isWholeImage(sidecar, out.header!, record)
  findings.add(bookletFinding('unfinished-step', { step, finishable }))
  out.header = undefined
  if (sidecar === undefined) return
  if (!finishable) {
    sidecar.close()
    return
  }
  sidecar.read(0, out.headerBytes)
  out.header = decodeHeader(out.headerBytes)
  out.file = sidecar
  out.end = out.contentEnd = sidecar.size()
  out.close = () => sidecar.close()
}

/* A sync was stopped, or blocks were being appended, or the writer is another program. */
function assessStep(out: Assessment, findings: Findings): void {
  const { record, header } = out
  if (header?.nKeys !== NOT_CLOSED) return
  if (record?.state === 'commit') {
    finishOnOverlay(out, record, findings)
    return
  }
  const synced = syncedLength(record)
  findings.add(bookletFinding('not-closed', { unsynced: synced === undefined ? 0 : Math.max(0, out.end - synced) }))
}

function finishOnOverlay(out: Assessment, record: RecoveryRecord, findings: Findings): void {
  const overlay = new OverlayFile(out.file)
  const bytes = out.headerBytes.slice()
  const finishable = finishCommit({ file: overlay }, bytes, { ...out.header!, nKeys: NOT_CLOSED }, record)
  findings.add(bookletFinding('unfinished-step', { step: 'sync', finishable: finishable || headerVersion(bytes) === record.version }))
  if (!finishable) return
  try {
    out.header = decodeHeader(bytes, record.version)
  } catch (error) {
    if (!(error instanceof EbookletError)) throw error
    out.header = undefined
  }
  out.headerBytes = bytes
  out.file = overlay
  out.end = out.contentEnd = Math.min(overlay.size(), record.newLength)
}

function verdictOf(path: string, out: Assessment, syncedEnd: number | undefined, findings: Findings): Verdict | undefined {
  const header = out.header!
  const what: Surveyed = { file: out.file, layout: blockLayout({ ...header, fixed: header.kind === 'fixed' }), header, end: out.end }
  try {
    checkLayout(path, out.end, header)
  } catch {
    // Told of by the header's own check, or by the step that can't be finished.
    return undefined
  }
  try {
    const verdict = judge(what, syncedEnd)
    if (syncedEnd !== undefined && syncedEnd <= out.end && verdict.end === syncedEnd) out.contentEnd = syncedEnd
    // What a writer left that was stopped is told of by its own finding.
    tellOfChains(what, verdict, header.nKeys === NOT_CLOSED ? out.contentEnd : out.end, findings)
    return verdict
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    findings.add(bookletFinding('header-contradicts-index', { reason: error.message }))
    return undefined
  }
}

function tellOfKeyCount({ header, verdict }: Assessment, findings: Findings): void {
  const stated = header!.nKeys
  if (stated !== NOT_CLOSED && stated !== verdict!.keyCount) findings.add(bookletFinding('wrong-key-count', { stated, found: verdict!.keyCount }))
}
