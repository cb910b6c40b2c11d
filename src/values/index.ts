export { ValueCodec, type CodecOptions, type NamedDecoding } from './codec.js'
export { AsyncSchemaError, SchemaError, shown } from './errors.js'
export { checkSchemaOptions, type SchemaOptions, type WithSchema } from './schema.js'
