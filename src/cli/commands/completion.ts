import { Argument, type Command } from 'commander'
import { completionScript, SHELLS } from '../print/index.ts'
import type { Installation } from './options.ts'

export function addCompletion(program: Command, { terminal }: Installation): void {
  program
    .command('completion')
    .description('show a script for a shell that completes commands and flags: source <(ambit completion bash)')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action((shell: (typeof SHELLS)[number]) => void terminal.stdout.write(completionScript(shell, words(program))))
}

/** Each command by the words that lead to it, with what may follow. */
function words(command: Command, path: readonly string[] = []): Parameters<typeof completionScript>[1] {
  const names = command.commands.map((each) => each.name())
  const flags = [...command.options.flatMap(({ long, short }) => [long, short]), '--help']
  const values = command.options.flatMap(({ long, short, argChoices }) =>
    argChoices === undefined
      ? []
      : [long, short].flatMap((flag) => (flag === null || flag === undefined ? [] : [{ flag, choices: argChoices }])),
  )
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])
  const own = {
    path,
    words: [...names, ...choices],
    flags: flags.filter((flag) => flag !== undefined && flag !== null),
    values,
  }
  return [own, ...command.commands.flatMap((each) => words(each, [...path, each.name()]))]
}
