/** Where a message is: the field of the one around it, and its place among that field's values, 0-based. */
export interface Step {
  readonly field: string
  readonly index: number
}

/** A field that our .proto files do not have: of a newer control plane, most likely. */
export interface UnknownField {
  /** From the outermost message to the one that has the field. */
  readonly path: readonly Step[]
  readonly number: number
}

/** The fields of a message by their numbers. */
export interface MessageShape {
  readonly name: string
  /** A shape for what is a message and is looked into; undefined for all else. */
  readonly fields: ReadonlyMap<number, { readonly name: string; readonly shape: MessageShape | undefined }>
}

/** As many are listed; what has more has at least these. */
export const MAX_UNKNOWN_FIELDS = 100

/** The part of a .proto file's descriptor that says which fields there are. */
export interface Descriptor {
  readonly name: string
  readonly field: readonly {
    readonly name: string
    readonly number: number
    readonly type: string
    readonly typeName: string
  }[]
  readonly nestedType: readonly Descriptor[]
  /** Each a single number, in our files. */
  readonly reservedRange: readonly { readonly start: number }[]
}

/**
 * @param fullName of the message
 * @param find the descriptor of a full name
 */
export function shapeOf(fullName: string, find: (name: string) => Descriptor | undefined): MessageShape {
  const descriptor = find(fullName)
  if (descriptor === undefined) throw new TypeError(`no message ${fullName}`)
  return shapeFrom(descriptor, fullName, find)
}

function shapeFrom(
  descriptor: Descriptor,
  fullName: string,
  find: (name: string) => Descriptor | undefined,
): MessageShape {
  const fields = new Map<number, { readonly name: string; readonly shape: MessageShape | undefined }>()
  // Reserved ones had a meaning once; old control planes may still send them.
  for (const { start } of descriptor.reservedRange) fields.set(start, { name: 'reserved', shape: undefined })
  for (const { name, number, type, typeName } of descriptor.field) {
    fields.set(number, { name, shape: type === 'TYPE_MESSAGE' ? shapeOfType(typeName) : undefined })
  }
  return { name: descriptor.name, fields }

  /** Names are relative: the innermost scope that has one counts. What is not Istio's own is not looked into. */
  function shapeOfType(typeName: string): MessageShape | undefined {
    const nested = descriptor.nestedType.find((one) => one.name === typeName)
    if (nested !== undefined) return shapeFrom(nested, `${fullName}.${typeName}`, find)
    if (typeName.startsWith('google.')) return undefined
    for (let scope = fullName; scope !== ''; scope = scope.slice(0, Math.max(0, scope.lastIndexOf('.')))) {
      const found = find(`${scope}.${typeName}`)
      if (found !== undefined) return shapeFrom(found, `${scope}.${typeName}`, find)
    }
    throw new TypeError(`no message ${typeName} in ${fullName}`)
  }
}

/**
 * Fields of a message, at any depth, that its shape does not have. The bytes are taken to be a message: what cannot be
 * read is left to the decoder to refuse.
 */
export function unknownFields(bytes: Uint8Array, shape: MessageShape): readonly UnknownField[] {
  const found: UnknownField[] = []
  scan(new Cursor(bytes, 0, bytes.length), shape, [], found)
  return found
}

/** `rules[0].clauses[1].matches[0] has field 14`; the message itself is called by its name. */
export function describeUnknown({ path, number }: UnknownField, { name }: MessageShape): string {
  const place = path.map((step) => `${step.field}[${step.index}]`).join('.')
  return `${place === '' ? name : place} has field ${number}`
}

function scan(at: Cursor, shape: MessageShape, path: readonly Step[], found: UnknownField[]): void {
  const counts = new Map<number, number>()
  while (!at.isAtEnd && found.length < MAX_UNKNOWN_FIELDS) {
    const tag = at.varint()
    const [number, wireType] = [tag >>> 3, tag & 7]
    const known = shape.fields.get(number)
    if (known === undefined) found.push({ path, number })
    if (wireType !== LENGTH_DELIMITED) {
      at.skip(wireType)
      continue
    }
    const body = at.body()
    if (known?.shape === undefined) continue
    const index = counts.get(number) ?? 0
    counts.set(number, index + 1)
    scan(body, known.shape, [...path, { field: known.name, index }], found)
  }
}

const LENGTH_DELIMITED = 2

class Cursor {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end
  }

  /** Its lowest 32 bits: tags and lengths have no more. */
  varint(): number {
    let value = 0
    for (let shift = 0; this.#at < this.#end; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return value >>> 0
  }

  body(): Cursor {
    const length = this.varint()
    const start = this.#at
    this.#at = Math.min(start + length, this.#end)
    return new Cursor(this.#bytes, start, this.#at)
  }

  /** Groups are no part of proto3: the rest of the message is not looked at then. */
  skip(wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 1) this.#at += 8
    else if (wireType === 5) this.#at += 4
    else this.#at = this.#end
  }
}
