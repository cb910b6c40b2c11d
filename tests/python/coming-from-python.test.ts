/** docs/coming-from-python.md leaves out no method and no parameter of the Python packages: they are asked for theirs. */
import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { describeWithPeers, requirePeer } from '../support/peers.js'
import { tableRows } from '../support/shown-by.js'

const script = `
import inspect, json, booklet, ebooklet, ebooklet.main
special = {'__getitem__', '__setitem__', '__delitem__', '__contains__', '__len__', '__iter__', '__enter__', '__exit__'}
def parameters(function):
    return [name for name in inspect.signature(function).parameters if name != 'self']
def members(cls):
    out = {}
    for name in dir(cls):
        if name.startswith('_') and name not in special: continue
        member = getattr(cls, name)
        out[name] = parameters(member) if callable(member) else None
    return out
def functions(module):
    return {name: parameters(getattr(module, name)) for name in dir(module) if inspect.isfunction(getattr(module, name)) and not name.startswith('_')}
def classes(module):
    return [name for name in dir(module) if inspect.isclass(getattr(module, name))]
print(json.dumps({
    'functions': {**functions(ebooklet), **functions(booklet)},
    'classes': classes(ebooklet) + classes(booklet),
    'made': {name: parameters(cls.__init__) for name, cls in {'S3Connection': ebooklet.S3Connection, 'VariableLengthValue': booklet.VariableLengthValue, 'FixedLengthValue': booklet.FixedLengthValue}.items()},
    'methods': [members(cls) for cls in (ebooklet.S3Connection, ebooklet.EVariableLengthValue, ebooklet.RemoteConnGroup, ebooklet.main.Change, booklet.VariableLengthValue, booklet.FixedLengthValue)],
}))
`

type Parameters = string[] | null
interface Interface {
  functions: Record<string, Parameters>
  classes: string[]
  made: Record<string, Parameters>
  methods: Record<string, Parameters>[]
}

describeWithPeers(['python'], 'the table for those who come from Python', () => {
  const cells = tableRows('coming-from-python.md').map((row) => row[0]!)
  const names = new Set(cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)))
  const asked = (): Interface => JSON.parse(execFileSync(requirePeer('python'), ['-B', '-c', script], { encoding: 'utf8' })) as Interface

  it('has every function, class, method and parameter', () => {
    const { functions, classes, made, methods } = asked()
    const missing: string[] = []
    const look = (name: string, parameters: Parameters) => {
      const call = parameters === null ? name : `${name}(${parameters.join(', ')})`
      if (!names.has(call)) missing.push(call)
    }
    for (const [name, parameters] of [...Object.entries(functions), ...Object.entries(made)]) look(name, parameters)
    for (const members of methods) for (const [name, parameters] of Object.entries(members)) look(name, parameters)
    const page = [...names].join(' ')
    for (const name of classes) if (!page.includes(name) && name !== 'EVariableLengthValue' && name !== 'RemoteConnGroup') missing.push(name)
    expect(missing).toEqual([])
    expect(Object.keys(functions)).toContain('open_ebooklet')
    expect(methods.map((members) => Object.keys(members).length).every((count) => count > 2)).toBe(true)
  })

  it('has a row for each option of opening', () => {
    const { functions } = asked()
    for (const name of ['open_ebooklet', 'open_rcg']) for (const option of functions[name]!) expect(names, `${option} of ${name}`).toContain(option)
  })
})
