import { type Command, Option } from 'commander'
import { type AnalysedObject, analyse, type Finding, SEVERITIES, type Severity } from '#shared/analysis'
import {
  clusterObjects,
  findingsDocument,
  findingsText,
  isAtLeast,
  laidOver,
  manifestObject,
  readSuppressions,
} from '../analysis/index.ts'
import { collect, withNamespaceFlag, withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { loadManifests, type Manifest } from '../manifests/index.ts'
import { type DocumentFormat, documentText } from '../print/index.ts'
import { withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface AnalyzeFlags extends ClusterFlags {
  readonly allNamespaces?: boolean
  readonly recursive?: boolean
  readonly useKube?: boolean
  readonly suppress: readonly string[]
  readonly failureThreshold: Severity
  readonly output?: DocumentFormat
}

/** As istioctl's, so that scripts tell findings from failures. */
const FOUND_STATUS = 79

/** What is analysed, and what of the findings is told. */
interface Subject {
  readonly objects: readonly AnalysedObject[]
  readonly isTold: (object: AnalysedObject) => boolean
  readonly manifestOf: (object: AnalysedObject) => Manifest | undefined
}

export function addAnalyze(program: Command, installation: Installation): void {
  withOutputFlag(withTargetFlags(withNamespaceFlag(program.command('analyze'))))
    .description('look for what is wrong in the objects of a cluster, or in files before they are applied')
    .argument('[file...]', 'files and folders of YAML or JSON, - for standard input; none: the cluster')
    .option('-A, --all-namespaces', 'of every namespace')
    .option('-R, --recursive', 'folders within folders, too')
    .option('--use-kube', 'files as they will be in the cluster: with the objects that are there')
    .option('-S, --suppress <rule>', 'do not tell of CODE=KIND NAME.NAMESPACE, with * for anything', collect, [])
    .addOption(
      new Option('--failure-threshold <level>', `exit status ${FOUND_STATUS} from this level on`)
        .choices(SEVERITIES)
        .default('Error'),
    )
    .action(async (files: readonly string[], flags: AnalyzeFlags) => {
      const { terminal } = installation
      const isSuppressed = readSuppressions(flags.suppress)
      const subject =
        files.length === 0 ? await ofCluster(flags, installation) : await ofFiles(files, flags, installation)
      const findings = analyse(subject.objects).filter(
        (finding) => subject.isTold(finding.object) && !isSuppressed(finding),
      )
      const whereOf = ({ object, path }: Finding): string | undefined => subject.manifestOf(object)?.whereOf(path)
      const { output } = flags
      const told = subject.objects.filter(subject.isTold).length
      terminal.stdout.write(
        output === undefined
          ? findingsText(findings, told, whereOf)
          : documentText(output, findingsDocument(findings, whereOf)),
      )
      terminal.exitCode = findings.some((finding) => isAtLeast(finding, flags.failureThreshold)) ? FOUND_STATUS : 0
    })
}

async function ofCluster(flags: AnalyzeFlags, installation: Installation): Promise<Subject> {
  return withTarget(targetOf(installation, flags), flags.namespace, async ({ connection, namespace }) => {
    const { objects, hidden } = await clusterObjects(connection)
    warnOfHidden(hidden, installation)
    const isTold = ({ kind, name, namespace: own }: AnalysedObject): boolean =>
      flags.allNamespaces === true || own === namespace || (kind === 'Namespace' && name === namespace)
    return { objects, isTold, manifestOf: () => undefined }
  })
}

async function ofFiles(names: readonly string[], flags: AnalyzeFlags, installation: Installation): Promise<Subject> {
  const { cwd, stdin } = installation.terminal
  const manifests = await loadManifests({ names, isRecursive: flags.recursive === true, cwd, stdin })
  const read = (namespace: string): ReadonlyMap<AnalysedObject, Manifest> =>
    new Map(manifests.map((manifest) => [manifestObject(manifest, namespace), manifest]))
  const subject = (own: ReadonlyMap<AnalysedObject, Manifest>, cluster: readonly AnalysedObject[]): Subject => ({
    objects: laidOver([...own.keys()], cluster),
    isTold: (object) => own.has(object),
    manifestOf: (object) => own.get(object),
  })
  if (flags.useKube !== true) return subject(read(flags.namespace ?? 'default'), [])
  return withTarget(targetOf(installation, flags), flags.namespace, async ({ connection, namespace }) => {
    const { objects, hidden } = await clusterObjects(connection)
    warnOfHidden(hidden, installation)
    return subject(read(namespace), objects)
  })
}

function warnOfHidden(hidden: readonly string[], { terminal }: Installation): void {
  if (hidden.length > 0)
    terminal.stderr.write(`ambit: you may not list ${hidden.join(', ')}; what refers to them is told as missing\n`)
}
