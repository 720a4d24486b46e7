export { findProgram, foldersOf, type Program, packageOf, programs, withSystemFolders } from './programs.ts'
