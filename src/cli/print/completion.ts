export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What may follow the words that lead to a command. */
export interface CompletedCommand {
  /** Without `ambit`: `waypoint`, `apply`. */
  readonly path: readonly string[]
  /** Commands below it, and arguments that are known. */
  readonly words: readonly string[]
  readonly flags: readonly string[]
  /** Flags whose values are known. */
  readonly values: readonly { readonly flag: string; readonly choices: readonly string[] }[]
}

/** A script that completes commands, flags and known values, and files where anything may stand. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(commands)
    case 'zsh':
      // zsh runs bash's completions.
      return `#compdef ambit\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`
    case 'fish':
      return fishScript(commands)
  }
}

function bashScript(commands: readonly CompletedCommand[]): string {
  const words = commands.map(({ path, words: next }) => `    "${path.join(' ')}") words="${next.join(' ')}" ;;\n`)
  const flags = commands.map(({ path, flags: next }) => `    "${path.join(' ')}") flags="${next.join(' ')}" ;;\n`)
  const values = commands.flatMap(({ path, values: known }) =>
    known.map(({ flag, choices }) => `    "${[...path, flag].join(' ')}") words="${choices.join(' ')}" ;;\n`),
  )
  const paths = commands.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(' ')}"`)
  return `_ambit() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" longer words="" flags="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "\${COMP_WORDS[i]}" == -* ]] && continue
    longer="\${path:+$path }\${COMP_WORDS[i]}"
    case "$longer" in
    ${paths.join('|')}) path="$longer" ;;
    esac
  done
  case "\${path:+$path }$prev" in
${values.join('')}    *) ;;
  esac
  if [[ -n "$words" ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    return
  fi
  case "$path" in
${words.join('')}  esac
  case "$path" in
${flags.join('')}  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n "$words" ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -F _ambit ambit
`
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, words, flags, values }) => {
    const next = words.filter((word) => !path.includes(word))
    const condition =
      path.length === 0
        ? '__fish_use_subcommand'
        : [
            ...path.map((word) => `__fish_seen_subcommand_from ${word}`),
            ...(next.length > 0 ? [`not __fish_seen_subcommand_from ${next.join(' ')}`] : []),
          ].join('; and ')
    const start = `complete -c ambit -n '${condition}'`
    return [
      ...(words.length > 0 ? [`${start} -f -a '${words.join(' ')}'`] : []),
      ...flags.map((flag) => {
        const known = values.find((each) => each.flag === flag)
        const choices = known === undefined ? '' : ` -x -a '${known.choices.join(' ')}'`
        return `${start} ${flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`}${choices}`
      }),
    ]
  })
  return `${lines.join('\n')}\n`
}
