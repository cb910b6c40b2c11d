import { expect, it } from 'vitest'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import { fromHex, utf8Encode } from '../../src/base/bytes.js'

it('a value that is sound, but nothing that there is a value for here, is no damage', () => {
  for (const [valueSerializer, sound, damaged] of [
    ['pickle', utf8Encode('ccollections\nOrderedDict\n)R.'), utf8Encode('ccollections')],
    ['wkb', fromHex('010800000000000000'), fromHex('0108')],
  ] as const) {
    const booklet = openBooklet(null, { valueSerializer })
    booklet.setBytes('k', sound)
    expect(() => booklet.get('k')).toThrow(expect.objectContaining({ code: valueSerializer === 'wkb' ? 'UNSUPPORTED_VALUE' : 'PICKLED_CLASS' }))
    expect(booklet.getBytes('k')).toEqual(sound)
    expect(checkBooklet(booklet.toBytes(), { deep: true }).findings).toEqual([])
    booklet.setBytes('k', damaged)
    expect(checkBooklet(booklet.toBytes(), { deep: true }).findings.map(({ kind }) => kind)).toEqual(['bad-value'])
  }
})
