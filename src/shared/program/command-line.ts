export interface CommandLine {
  /** The program's name in its own words. */
  readonly name: string
  /** The word that may be left out: `discovery`, `proxy`, `run`. */
  readonly command: string
  /** What `--help` shows behind the usage. */
  readonly help: () => string
  readonly run: (flags: readonly string[]) => void
  /** Further words, for the program itself. */
  readonly inner?: Readonly<Record<string, (args: readonly string[]) => void>>
}

/** `NAME [COMMAND] [--flag value …] | version | help`; anything else is refused by name. */
export function readCommandLine(argv: readonly string[], line: CommandLine): void {
  const { name, command, inner = {} } = line
  const [word = command, ...rest] = argv
  const own = Object.hasOwn(inner, word) ? inner[word] : undefined
  if (own !== undefined) own(rest)
  else if (argv.includes('--help') || word === 'help') {
    process.stdout.write(`${name} [${command}] [--flag value …] | version | help\n\n${line.help()}\n`)
  } else if (word === 'version') process.stdout.write(`ambit ${name}, Node ${process.version}\n`)
  else if (word === command) line.run(rest)
  else if (word.startsWith('--')) line.run(argv)
  else {
    process.stderr.write(`unknown command ${JSON.stringify(word)}: use ${command}, version or help\n`)
    process.exitCode = 1
  }
}
