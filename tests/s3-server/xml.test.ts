import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import { document, leaf, node, parseXml } from '../../dev/s3-server/xml.js'

const parse = (text: string) => parseXml(Buffer.from(text))

describe('reading XML', () => {
  test('namespaces, attributes, comments, CDATA, entities and self-closing elements', () => {
    const root = parse('<?xml version="1.0"?>\n<!-- < & > --><s3:Delete xmlns:s3="urn:x" a=\'1\'><Key>a&amp;&#98;&#x1F600;<![CDATA[<c>&amp;]]></Key><Quiet/></s3:Delete>\n')
    expect(root.name).toBe('Delete')
    expect(root.children.map((child) => [child.name, child.text])).toEqual([
      ['Key', 'a&b😀<c>&amp;'],
      ['Quiet', ''],
    ])
  })

  test('32 levels are not too deep', () => {
    expect(parse(`${'<a>'.repeat(32)}${'</a>'.repeat(32)}`).name).toBe('a')
  })

  test('white space in text is kept, and a reference to a carriage return is one', () => {
    expect(parse('<K> a\r\nb&#13;&#10; </K>').text).toBe(' a\nb\r\n ')
  })

  test.each([
    ['', 'nothing'],
    ['text', 'no element'],
    ['<a>', 'not closed'],
    ['<a></b>', 'closed by another'],
    ['</a>', 'closed only'],
    ['<a/><b/>', 'two roots'],
    ['<a/>x', 'text behind the root'],
    ['<a>&nbsp;</a>', 'an entity that XML does not know'],
    ['<a>a & b</a>', 'a bare ampersand'],
    ['<a>&constructor;</a>', 'an entity named as a property of objects'],
    ['<a>&#xD800;</a>', 'a surrogate'],
    ['<a>&#x110000;</a>', 'no code point'],
    ['<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 'a document type'],
    ['<a b=c/>', 'an attribute without quotes'],
    ['<a', 'cut short'],
    ['<'.repeat(10_000), 'garbage'],
    ['<a>'.repeat(100_000), 'deep and not closed'],
    [`${'<a>'.repeat(33)}${'</a>'.repeat(33)}`, 'too deep'],
  ])('%# is refused: %s', (text) => {
    expect(() => parse(text.slice(0, 1_000_000))).toThrow(expect.objectContaining({ code: 'MalformedXML' }))
  })

  test('what is not UTF-8 is refused', () => {
    expect(() => parseXml(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]))).toThrow(expect.objectContaining({ code: 'MalformedXML' }))
  })

  test('what was written is read again, whatever the characters', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const root = parse(document('R', node('L', ...texts.map((text) => leaf('T', text)))))
        expect(root.children[0]?.children.map((child) => child.text)).toEqual(texts)
      }),
    )
  })
})
