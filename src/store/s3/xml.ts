import { XMLParser } from 'fast-xml-parser'
import { FormatError } from '../../base/error.js'

/* preserveOrder, because versions and delete markers of a listing are ordered among one another. */
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
})

/* A page of a listing has 1000 entries of a dozen elements at most. Parsing takes time for each. */
const MAX_TAGS = 300_000

type ParsedNode = Record<string, unknown>

/** One element of an XML document: its name, its child elements in order, its text. */
export class XmlElement {
  constructor(
    readonly name: string,
    readonly children: readonly XmlElement[],
    readonly text: string,
  ) {}

  all(name: string): XmlElement[] {
    return this.children.filter((child) => child.name === name)
  }

  child(name: string): XmlElement | undefined {
    return this.children.find((child) => child.name === name)
  }

  /** The text of the first child element of that name. */
  value(name: string): string | undefined {
    return this.child(name)?.text
  }
}

/**
 * Reads an XML document. No number is made of any text, and no entity is known but the five of XML itself
 * and character references: what a server sends can't expand into more than it is.
 * @throws FormatError
 */
export function parseXml(text: string): XmlElement {
  if (text.includes('<!DOCTYPE')) throw new FormatError('an XML answer with a document type declaration')
  checkTags(text)
  let nodes: ParsedNode[]
  try {
    nodes = parser.parse(text, true) as ParsedNode[]
  } catch (cause) {
    throw new FormatError(`an answer that is not XML: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 200)}`)
  }
  const root = nodes.map(toElement).find((element) => element !== undefined)
  if (root === undefined) throw new FormatError('an XML answer without any element')
  return root
}

function checkTags(text: string): void {
  let tags = 0
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    if (++tags > MAX_TAGS) throw new FormatError(`an XML answer with more than ${MAX_TAGS} tags`)
  }
}

function toElement(node: ParsedNode): XmlElement | undefined {
  const name = Object.keys(node).find((key) => key !== ':@')
  if (name === undefined || name === '#text') return undefined
  const inner = node[name] as ParsedNode[]
  let text = ''
  const children: XmlElement[] = []
  for (const child of inner) {
    if ('#text' in child) text += String(child['#text'])
    const element = toElement(child)
    if (element !== undefined) children.push(element)
  }
  return new XmlElement(name, children, unescapeXml(text))
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));/g, (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
    if (name !== undefined) return NAMED[name] ?? whole
    const point = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}

/** Text for the inside of an element. Line ends are written as references, since parsers normalise them. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"'\t\n\r\u0085\u2028]/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** Whether XML 1.0 can hold the text at all: it has no form for most control characters, nor for U+FFFE and U+FFFF. */
export function fitsXml(text: string): boolean {
  return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)
}
