import { isAbsolute } from 'node:path'
import { type ConfigSpec, integer, parsed, readConfig, required, setting, text } from '#shared/config'
import { MAX_NODES } from './network/index.ts'
import { type ExtraEnv, PROGRAMS, type ProgramName } from './programs/index.ts'

/** Settings of the supervisor; `ambit up` fills them in. */
export interface LocalConfig {
  /** Absolute. Everything that the mesh keeps on disk is below. */
  readonly stateDir: string
  readonly nodes: number
  /** Absolute. Folders of Kubernetes YAML; of two objects of one name the first folder's counts. */
  readonly folders: readonly string[]
  /** Absolute; what stands for which image. Undefined: only what every mesh knows. */
  readonly imageFile: string | undefined
  readonly programEnv: readonly ExtraEnv[]
  /** A listening socket of the machine's loopback, for kubectl; 0 = there is none. */
  readonly apiFd: number
  /** The process outside that opens ports of the machine's loopback, as /proc shows it; 0 = there is none. */
  readonly portOpenerPid: number
  /** The mesh ends when this descriptor does; 0 = it stays until it is told. */
  readonly lifelineFd: number
  /** Where containers and this program find their commands. */
  readonly path: string
  readonly logFilter: string
}

const absolutePath = parsed<string>('path', (given) => {
  if (!isAbsolute(given)) throw new Error('must be an absolute path')
  return given
})

/** Empty, as from a launcher that was given none: undefined. */
const imagePath = parsed<string | undefined>('path', (given) => (given === '' ? undefined : absolute(given)))
const pathList = parsed<readonly string[]>('JSON list of paths', (given) => texts(given).map((path) => absolute(path)))
const envList = parsed<readonly ExtraEnv[]>('JSON list of PROGRAM:NAME=VALUE', (given) =>
  texts(given).map(readExtraEnv),
)

export const localSettings: ConfigSpec<LocalConfig> = {
  settings: {
    stateDir: required(absolutePath, 'AMBIT_STATE_DIR', 'Folder of everything that the mesh keeps on disk.'),
    nodes: setting(integer(1, MAX_NODES), 'AMBIT_NODES', 2, 'How many nodes there are.'),
    folders: setting(pathList, 'AMBIT_FOLDERS', [], 'Folders with Kubernetes YAML, watched for changes.', 'none'),
    imageFile: setting(
      imagePath,
      'AMBIT_IMAGES',
      undefined,
      'YAML file that says which commands of this machine stand for which images.',
      'none',
    ),
    programEnv: setting(envList, 'AMBIT_PROGRAM_ENV', [], 'Environment of single programs.', 'none'),
    apiFd: setting(
      integer(0, 1_000_000),
      'AMBIT_API_FD',
      0,
      "Listening socket of the machine's loopback, where the Kubernetes API is served; 0 = only inside.",
    ),
    portOpenerPid: setting(
      integer(0, 2 ** 22),
      'AMBIT_PORT_OPENER_PID',
      0,
      "The process that opens ports of the machine's loopback; 0 = there is none.",
    ),
    lifelineFd: setting(
      integer(0, 1_000_000),
      'AMBIT_LIFELINE_FD',
      0,
      "Descriptor whose end is the mesh's end; 0 = none.",
    ),
    path: setting(text, 'PATH', '/usr/bin:/bin', 'Where containers and the supervisor find their commands.'),
    logFilter: setting(text, 'RUST_LOG', 'info', 'Log levels: `info`, or `info,pods=debug`.'),
  },
}

/** @throws ConfigError with every problem */
export function readLocalConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): LocalConfig {
  return readConfig(localSettings, env, argv)
}

function texts(given: string): readonly string[] {
  const value: unknown = JSON.parse(given)
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw new Error('must be a JSON list of texts')
  return value
}

function absolute(path: string): string {
  if (!isAbsolute(path)) throw new Error(`${path} is no absolute path`)
  return path
}

/** `ztunnel:SECRET_TTL=20s`; `istiod` is short for `istiod-lite`. */
function readExtraEnv(given: string): ExtraEnv {
  const [, written = '', name = '', value = ''] = /^([a-z-]+):([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(given) ?? []
  const program = written === 'istiod' ? 'istiod-lite' : written
  const known = PROGRAMS.find((each): each is ProgramName => each === program)
  if (known === undefined) throw new Error(`${given} is not PROGRAM:NAME=VALUE with one of ${PROGRAMS.join(', ')}`)
  return { program: known, name, value }
}
