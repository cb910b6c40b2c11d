/** A MessagePack extension: a type from -128 to 127 (below 0 reserved, -1 is a timestamp) and its bytes. */
export class MsgpackExtension {
  readonly type: number
  readonly data: Uint8Array
  constructor(type: number, data: Uint8Array) {
    this.type = type
    this.data = data
  }
}
