export type { MeshProgram } from './mesh-program.ts'
export { MeshPrograms, type ProgramNode } from './mesh-programs.ts'
export { type ExtraEnv, PROGRAMS, type ProgramName } from './program-specs.ts'
