import { describe, expect, it } from 'vitest'
import {
  boolean,
  ConfigError,
  type ConfigSpec,
  duration,
  integer,
  oneOf,
  optionalText,
  port,
  readConfig,
  refusedTable,
  required,
  setting,
  settingsTable,
  text,
} from '#shared/config'

interface Sample {
  readonly address: string
  readonly adminPort: number
  readonly isFast: boolean
  readonly waitMs: number
  readonly format: 'plain' | 'json'
  readonly streams: number
  readonly nodeName: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

const spec: ConfigSpec<Sample> = {
  settings: {
    address: required(text, ['META_ADDRESS', 'ADDRESS'], 'Where to.'),
    adminPort: setting(port, 'ADMIN_PORT', 15_000, 'Admin port.'),
    isFast: setting(boolean, 'FAST', false, 'Fast.'),
    waitMs: setting(duration, 'WAIT', 5000, 'Wait.', '5s'),
    format: setting(oneOf('plain', 'json'), 'LOG_FORMAT', 'plain', 'Form.'),
    streams: setting(integer(1, 100), 'STREAMS', 10, 'Streams.'),
    nodeName: setting(optionalText, 'NODE_NAME', undefined, 'Node.'),
    headers: { prefix: 'HEADER_', doc: 'Headers.' },
  },
  refused: [{ env: 'FAKE_CA', harmless: ['false'], reason: 'there is no built-in CA' }],
}

describe('readConfig', () => {
  it('takes defaults where nothing is set and freezes the record', () => {
    const config = readConfig(spec, { ADDRESS: 'a', PATH: '/bin' })
    expect(config).toEqual({
      address: 'a',
      adminPort: 15_000,
      isFast: false,
      waitMs: 5000,
      format: 'plain',
      streams: 10,
      nodeName: undefined,
      headers: {},
    })
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('prefers a flag to the environment, and the first environment name to the next', () => {
    const env = { META_ADDRESS: 'meta', ADDRESS: 'plain', ADMIN_PORT: '1', HEADER_A: 'x', HEADER_: 'none' }
    const config = readConfig(spec, env, ['--admin-port', '2', '--fast', '--wait=1m'])
    expect(config).toMatchObject({ address: 'meta', adminPort: 2, isFast: true, waitMs: 60_000, headers: { A: 'x' } })
  })

  it('tells every problem at once, with name, value and reason', () => {
    const env = {
      ADMIN_PORT: '70000',
      FAST: 'yes',
      WAIT: '5 years',
      LOG_FORMAT: 'xml',
      STREAMS: '1e3',
      FAKE_CA: 'true',
    }
    const failure = failureOf(() => readConfig(spec, env, ['--unknown', '--streams']))
    expect(failure.problems).toEqual([
      { name: '--unknown', value: undefined, reason: 'is no flag of this program' },
      { name: '--streams', value: undefined, reason: 'needs a value' },
      { name: 'META_ADDRESS', value: undefined, reason: 'must be set' },
      { name: 'ADMIN_PORT', value: '70000', reason: 'must be a whole number from 1 to 65535' },
      { name: 'FAST', value: 'yes', reason: 'must be true or false' },
      { name: 'WAIT', value: '5 years', reason: 'must be a duration such as 5s, 10m or 24h' },
      { name: 'LOG_FORMAT', value: 'xml', reason: 'must be one of plain, json' },
      { name: 'STREAMS', value: '1e3', reason: 'must be a whole number from 1 to 100' },
      { name: 'FAKE_CA', value: 'true', reason: 'there is no built-in CA' },
    ])
    expect(failure.code).toBe('CONFIG_INVALID')
    expect(failure.message).toContain('\n  FAST="yes" must be true or false')
  })

  it('takes a refused name when its value asks for what happens anyway', () => {
    expect(readConfig(spec, { ADDRESS: 'a', FAKE_CA: 'false' }).address).toBe('a')
  })

  it.each([
    ['5s', 5000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['150ms', 150],
    ['1.5s', 1500],
    ['7', 7000],
    ['0', 0],
    ['2d', 172_800_000],
  ])('reads the duration %s as %d ms', (given, ms) => {
    expect(duration.read(given)).toEqual({ kind: 'value', value: ms })
  })

  it.each(['', 's', '-1s', '1 s', '1w', '1h30m', '999999999999d', 'Infinity'])('refuses the duration %j', (given) => {
    expect(duration.read(given).kind).toBe('problem')
  })
})

describe('settings table', () => {
  it('prints one line for each key', () => {
    expect(settingsTable(spec).split('\n')).toEqual([
      '| environment | flag | kind | default | effect |',
      '| --- | --- | --- | --- | --- |',
      '| `META_ADDRESS`, `ADDRESS` | `--address` | text | required | Where to. |',
      '| `ADMIN_PORT` | `--admin-port` | port | 15000 | Admin port. |',
      '| `FAST` | `--fast` | boolean | false | Fast. |',
      '| `WAIT` | `--wait` | duration | 5s | Wait. |',
      '| `LOG_FORMAT` | `--format` | plain \\| json | plain | Form. |',
      '| `STREAMS` | `--streams` | integer | 10 | Streams. |',
      '| `NODE_NAME` | `--node-name` | text | unset | Node. |',
      '| `HEADER_*` | – | text | none | Headers. |',
    ])
    expect(refusedTable(spec)).toContain('| `FAKE_CA` | `false` | there is no built-in CA |')
  })
})

function failureOf(run: () => unknown): ConfigError {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
