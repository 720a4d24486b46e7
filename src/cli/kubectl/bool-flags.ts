/** Flags that take a word and not a yes or no. */
const WORD_FLAGS = ['--namespaced']
/** Flags that are on unless they are turned off, by command. */
const ON_FLAGS: Readonly<Record<string, readonly string[]>> = { delete: ['--wait'] }

/**
 * kubectl's users write `--wait=false` and `--overwrite=true`; here a flag is given, or not, or begins with `--no-`.
 * What comes after `--` is not ours.
 */
export function plainFlags(command: string, args: readonly string[]): readonly string[] {
  const onFlags = ON_FLAGS[command] ?? []
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  const plain = own.flatMap((arg) => {
    const [, flag = '', value] = /^(--[a-z-]+)=(true|false)$/.exec(arg) ?? []
    if (flag === '' || WORD_FLAGS.includes(flag)) return [arg]
    if (value === 'true') return onFlags.includes(flag) ? [] : [flag]
    return onFlags.includes(flag) ? [flag.replace('--', '--no-')] : []
  })
  return [...plain, ...args.slice(own.length)]
}
