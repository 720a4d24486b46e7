import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Kind } from '#shared/config'

/** A list option that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

/** What settings take, flags take: durations, ports, numbers. */
export function ofKind<T>(kind: Kind<T>): (given: string) => T {
  return (given) => {
    const read = kind.read(given)
    if (read.kind === 'problem') throw new InvalidArgumentError(`It ${read.reason}.`)
    return read.value
  }
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices)
}

/** Every command that speaks with a cluster chooses it by these. */
export function withTargetFlags(command: Command): Command {
  return command
    .option('--state <dir>', 'folder of the mesh on this machine (default: .ambit)')
    .option('--kubeconfig <file>', 'the cluster of this kubeconfig')
    .option('--context <name>', 'this context of the kubeconfig')
}

export function withNamespaceFlag(command: Command): Command {
  return command.option('-n, --namespace <name>', "namespace (default: the kubeconfig's)")
}

/** @param formats beside the one for people */
export function withOutputFlag(command: Command, formats: readonly string[] = ['json', 'yaml']): Command {
  return command.addOption(choice('-o, --output <format>', `as ${formats.join(' or ')}`, formats))
}
