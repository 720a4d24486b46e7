export { type CommandLine, readCommandLine } from './command-line.ts'
export { type ProgramConfig, type ProgramParts, runProgram, unhandledErrors } from './run-program.ts'
