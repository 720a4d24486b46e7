import assert from 'node:assert/strict'

/** What a field's bytes are. Anything that is no scalar and no special form is another message of the tables. */
export type FieldShape = 'one' | 'many' | 'map'

export interface MessageField {
  /** In JSON; empty for an embedded message whose fields stand in the outer one. */
  readonly name: string
  readonly type: string
  readonly shape: FieldShape
  /** Whether `""`, 0 and false are written to JSON: pointers in Go, and fields without `omitempty`. */
  readonly keepsZero: boolean
}

/** Message name → field number → field. */
export type MessageTable = ReadonlyMap<string, ReadonlyMap<number, MessageField>>

/**
 * Reads tables of messages. A message's name stands alone in its line; its fields follow, indented:
 *
 * ```
 * Volume
 *   1 name string=; 2 ... VolumeSource
 * ```
 *
 * Each is `number name type`, where the type may end in `[]` (list), `{}` (map with text keys) or `=` (zero is kept);
 * the name `...` stands for an embedded message. The numbers are those of the published Kubernetes API, where they
 * never change.
 */
export function readTables(texts: readonly string[]): MessageTable {
  const messages = new Map<string, Map<number, MessageField>>()
  for (const block of texts.flatMap((text) => text.trim().split(/\n(?=\S)/))) {
    const [name = '', ...lines] = block.split('\n')
    const fields = lines.join(' ').split(';').map(readField)
    assert(!messages.has(name), `message ${name} is described twice`)
    messages.set(name, new Map(lines.length === 0 ? [] : fields))
  }
  return messages
}

const FIELD = /^(?<number>\d+) (?<name>\.\.\.|\w+) (?<type>\w+)(?<mark>\[\]|\{\}|=)?$/

function readField(text: string): [number, MessageField] {
  const groups = FIELD.exec(text.trim())?.groups
  assert(groups, `no field: ${text}`)
  const { number, name = '', type = '', mark } = groups
  return [
    Number(number),
    {
      name: name === '...' ? '' : name,
      type,
      shape: mark === '[]' ? 'many' : mark === '{}' ? 'map' : 'one',
      keepsZero: mark === '=',
    },
  ]
}
