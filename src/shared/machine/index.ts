export {
  findProgram,
  foldersOf,
  type Program,
  packageOf,
  programs,
  SYSTEM_PATH,
  withSystemFolders,
} from './programs.ts'
