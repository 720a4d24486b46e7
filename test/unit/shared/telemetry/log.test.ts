import { describe, expect, it } from 'vitest'
import { type LineOutput, Log, LogFilter } from '#shared/telemetry'
import { FakeClock } from '../../../support/fake-clock.ts'

class Lines implements LineOutput {
  readonly lines: string[] = []
  line(text: string): void {
    this.lines.push(text)
  }
}

function logOf(format: 'plain' | 'json', filter = 'info'): { log: Log; lines: string[] } {
  const output = new Lines()
  const clock = new FakeClock(Date.UTC(2026, 10, 21, 9, 22, 3, 45))
  return { log: new Log({ format, filter, clock, output }), lines: output.lines }
}

describe('Log', () => {
  it('prints plain lines with tabs between columns and fields after them', () => {
    const { log, lines } = logOf('plain')
    log.logger('xds').warn('stream lost', { reason: 'say "hi"\n', tries: 3, quiet: false, absent: undefined })
    log.logger('app').info('started')
    expect(lines).toEqual([
      '2026-11-21T09:22:03.045000Z\twarn\txds\tstream lost\treason="say \\"hi\\"\\n" tries=3 quiet=false\n',
      '2026-11-21T09:22:03.045000Z\tinfo\tapp\tstarted\n',
    ])
  })

  it('prints one JSON object a line', () => {
    const { log, lines } = logOf('json')
    log.logger('xds').error('no\nway', { 'src.addr': '10.0.0.1:1', tries: 3 })
    expect(lines).toEqual([
      '{"level":"error","time":"2026-11-21T09:22:03.045000Z","scope":"xds","message":"no\\nway","src.addr":"10.0.0.1:1","tries":3}\n',
    ])
  })

  it('keeps a line one line and its columns columns, whatever a peer wrote', () => {
    const { log, lines } = logOf('plain')
    log.logger('x').error('a\nb\tc\u001b[31m', { key: '\u0085\u2028' })
    expect(lines).toEqual([
      '2026-11-21T09:22:03.045000Z\terror\tx\ta\\u{a}b\\u{9}c\\u{1b}[31m\tkey="\\u{85}\\u{2028}"\n',
    ])
  })

  it('counts µs between two ticks of the wall clock', async () => {
    const { log, lines } = logOf('plain')
    expect(lines).toEqual([])
    log.logger('x').info('y')
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\t/)
  })

  it('follows a change of the filter at once, also in loggers made before', () => {
    const { log, lines } = logOf('plain', 'warn')
    const logger = log.logger('xds')
    logger.info('unheard')
    log.filter.add('xds=debug')
    logger.debug('heard')
    expect(logger.child('app').isEnabled('info')).toBe(false)
    log.filter.reset()
    logger.info('unheard')
    expect(lines.map((line) => line.split('\t')[3])).toEqual(['heard\n'])
  })
})

describe('LogFilter', () => {
  it.each([
    ['', 'xds', 3],
    ['debug', 'xds', 4],
    ['warn,xds=trace', 'xds', 5],
    ['warn,xds=trace', 'xds::client', 5],
    ['warn,xds=trace', 'xdsx', 2],
    ['warn,xds=trace,xds::client=off', 'xds::client', 0],
    ['ztunnel::access=off', 'access', 0],
    ['access=off,access=info', 'access', 3],
    ['INFO', 'a', 3],
  ])('%j lets %s pass up to level %d', (text, scope, level) => {
    expect(new LogFilter(text).threshold(scope)).toBe(level)
  })

  it.each(['loud', 'xds=', '=info', 'xds=loud', 'a b=info', `${'a=info,'.repeat(65)}`])('refuses %j', (text) => {
    const filter = new LogFilter('warn')
    expect(() => filter.add(text)).toThrow(/^log filter: /)
    expect(filter.toString()).toBe('warn')
  })

  it('adds to what is there, and prints the outcome', () => {
    const filter = new LogFilter('info,access=debug')
    filter.add('xds=trace,warn')
    expect(filter.toString()).toBe('warn,access=debug,xds=trace')
    filter.reset()
    expect(filter.toString()).toBe('info,access=debug')
  })
})
