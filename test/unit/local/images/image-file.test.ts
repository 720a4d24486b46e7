import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { imageCatalog, parseImageFile, readImageFile } from '../../../../src/local/images/index.ts'

const problems = (yaml: string): string => {
  try {
    parseImageFile(yaml, 'images.yaml')
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a file of images', () => {
  it('says what stands for an image, in a folder beside the file', () => {
    const entries = parseImageFile(
      'images:\n  - image: docker.io/nginx:1.*\n    command: [python3, -m]\n    args: [http.server]\n    env: { A: "1" }\n    workingDir: www\n  - { image: redis, command: [redis] }\n',
      '/home/me/images.yaml',
    )
    const catalog = imageCatalog(entries)
    expect(catalog.find('nginx:1.27')).toEqual({
      kind: 'known',
      image: { command: ['python3', '-m'], args: ['http.server'], env: { A: '1' }, workingDir: '/home/me/www' },
    })
    expect(catalog.find('nginx').kind).toBe('unknown')
    expect(catalog.find('redis:7').kind).toBe('known')
  })

  it.each([
    ['nothing', '', 'images.yaml: images is missing'],
    ['no YAML', 'images: [', 'images.yaml:1: is no YAML'],
    ['no list', 'images: {}', 'images.yaml:1: images must be a list'],
    ['a misspelt field', 'images:\n  - image: a\n    comand: [b]', 'images.yaml:3: images[0].comand unknown field'],
    ['no command', 'images:\n  - image: a', 'images.yaml:2: images[0].command is missing'],
    [
      'a command that is a line',
      'images:\n  - image: a\n    command: b c',
      'images.yaml:3: images[0].command must be a list',
    ],
    [
      'a number',
      'images:\n  - image: a\n    command: [b]\n    env: { A: 1 }',
      'images.yaml:4: images[0].env.A must be a string',
    ],
    [
      'a wildcard in a name',
      'images:\n  - { image: "a*", command: [b] }',
      'images.yaml:2: images[0].image may have * in its tag only',
    ],
    [
      'the same twice',
      'images:\n  - { image: a, command: [b] }\n  - { image: a, command: [c] }',
      'images.yaml:3: images[1].image is the same as of images[0]',
    ],
    [
      'an expansion attack',
      `a: &a [x]\n${Array.from({ length: 9 }, (_, i) => `b${i}: &b${i} [${`*${i === 0 ? 'a' : `b${i - 1}`},`.repeat(9)}]`).join('\n')}\nimages: *b8`,
      'is no YAML',
    ],
  ])('with %s is refused by file, line and field', (_what, yaml, problem) => {
    expect(problems(yaml)).toContain(problem)
  })

  it('that is not there is told of', () => {
    expect(() => readImageFile('/no/such/file')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('never does anything but be read or be refused', () => {
    const words = fc.constantFrom(
      'images',
      'image',
      'command',
      ': ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '\n',
      '  ',
      '*',
      '&a',
      'x',
      '"',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            parseImageFile(text, 'f')
          } catch (error) {
            expect(error).toBeInstanceOf(MeshError)
          }
        },
      ),
    )
  })
})
