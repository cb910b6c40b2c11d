/* Who may import whom. docs/architecture.md draws the same map. */
const layers = {
  base: [],
  format: ['base'],
  platform: ['base'],
  serializers: ['base', 'format'],
  values: ['base', 'platform', 'serializers'],
  map: ['base', 'serializers', 'values'],
  booklet: ['base', 'format', 'platform', 'serializers', 'values', 'map'],
  store: ['base', 'format', 'platform'],
  lock: ['base', 'format', 'store'],
  sync: ['base', 'format', 'booklet', 'store', 'lock'],
  database: ['base', 'format', 'platform', 'serializers', 'values', 'map', 'booklet', 'store', 'lock', 'sync'],
  adapters: ['base', 'booklet', 'database'],
}
const pure = '^src/(base|format|serializers|values|lock/election|sync/plan)'

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      severity: 'error',
      comment: `${layer} imports only ${allowed.join(', ') || 'nothing'}`,
      from: { path: `^src/${layer}/` },
      to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
    })),
    {
      name: 'lock-and-sync-use-the-store-interface',
      severity: 'error',
      from: { path: '^src/(lock|sync)/' },
      to: { path: '^src/store/', pathNot: '^src/store/(object-store|errors|transfer/)' },
    },
    {
      name: 'pure-code-has-no-node-modules',
      severity: 'error',
      comment: 'A browser entry point needs these.',
      from: { path: pure },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'bench-uses-the-public-entry-points',
      severity: 'error',
      comment: 'What is measured is what users get.',
      from: { path: '^bench/' },
      to: { path: '^src/', pathNot: '^src/(index|booklet/index)\\.ts$' },
    },
    { name: 'nothing-imports-dev', severity: 'error', from: { path: '^src/' }, to: { path: '^(dev|tests|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
}
