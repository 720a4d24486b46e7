export { type ControlledMesh, ControlServer } from './control-server.ts'
export { Progress } from './progress.ts'
