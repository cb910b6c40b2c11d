import { S3Error } from './errors.js'

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/*
 * Text of an element. Characters that XML 1.0 can't hold become numeric references, as S3 does it: the
 * document is then not XML 1.0, which is why clients ask for encoding-type=url.
 */
function escapeText(text: string): string {
  return text.replace(/[&<>"\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g, (char) => {
    if (char === '&') return '&amp;'
    if (char === '<') return '&lt;'
    if (char === '>') return '&gt;'
    if (char === '"') return '&quot;'
    return `&#x${char.charCodeAt(0).toString(16)};`
  })
}

/** `<name>text</name>`; nothing when the value is undefined. */
export function leaf(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapeText(String(value))}</${name}>`
}

/** An element around parts that are XML already. */
export function node(name: string, ...parts: readonly string[]): string {
  return `<${name}>${parts.join('')}</${name}>`
}

/** A whole document with the namespace of S3. */
export function document(name: string, ...parts: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</${name}>`
}

/** One element of a parsed body. `text` joins the text directly inside it. */
export interface XmlElement {
  readonly name: string
  readonly children: XmlElement[]
  text: string
}

interface OpenElement extends XmlElement {
  readonly tag: string
}

const maxDepth = 32
const token = /<\?[^]*?\?>|<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<\/([^\s<>/]+)\s*>|<([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y

/**
 * Reads a request document: elements and text, attributes skipped, namespace prefixes dropped. No document
 * types, hence no entities other than the five of XML and numeric references. White space is kept, since
 * keys may hold it; lines end in \n, as XML says.
 * @throws S3Error MalformedXML
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const source = decode(bytes).replace(/\r\n?/g, '\n')
  const top: OpenElement = { name: '', tag: '', children: [], text: '' }
  const open: OpenElement[] = [top]
  let at = 0
  while (at < source.length) {
    token.lastIndex = at
    const match = token.exec(source)
    if (match === null) throw new S3Error('MalformedXML')
    at = token.lastIndex
    take(open, match)
  }
  const root = top.children[0]
  if (open.length !== 1 || root === undefined || top.children.length !== 1 || top.text.trim() !== '') throw new S3Error('MalformedXML')
  return root
}

function take(open: OpenElement[], match: RegExpExecArray): void {
  const [, cdata, closing, opening, , selfClosing, text] = match
  const parent = open[open.length - 1] as OpenElement
  if (cdata !== undefined) parent.text += cdata
  else if (text !== undefined) parent.text += unescape(text)
  else if (closing !== undefined) {
    if (open.length < 2 || parent.tag !== closing) throw new S3Error('MalformedXML')
    open.pop()
  } else if (opening !== undefined) {
    if (open.length > maxDepth) throw new S3Error('MalformedXML')
    const element: OpenElement = { name: opening.slice(opening.indexOf(':') + 1), tag: opening, children: [], text: '' }
    parent.children.push(element)
    if (selfClosing === '') open.push(element)
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new S3Error('MalformedXML')
  }
}

function unescape(text: string): string {
  return text.replace(/&([^;&\s]*);?/g, (whole, name: string) => {
    if (!whole.endsWith(';')) throw new S3Error('MalformedXML')
    const plain = Object.hasOwn(named, name) ? named[name] : undefined
    if (plain !== undefined) return plain
    const number = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name)
    const code = number === null ? Number.NaN : number[1] !== undefined ? Number.parseInt(number[1], 16) : Number(number[2])
    if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) throw new S3Error('MalformedXML')
    return String.fromCodePoint(code)
  })
}

/** The children of this name. */
export function all(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

/** The text of the one child of this name; undefined when there is none, MalformedXML when there are several. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const found = all(element, name)
  if (found.length > 1) throw new S3Error('MalformedXML', `more than one ${name} in ${element.name}`)
  return found[0]?.text
}

/** Refuses a document whose element has another name, or children other than these: nothing is ignored silently. */
export function expectShape(element: XmlElement, name: string, children: readonly string[]): void {
  if (element.name !== name) throw new S3Error('MalformedXML', `expected ${name}, found ${element.name}`)
  for (const child of element.children) {
    if (!children.includes(child.name)) throw new S3Error('NotImplemented', `${child.name} in ${name} is not implemented.`)
  }
}
