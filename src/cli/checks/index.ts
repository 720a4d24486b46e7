export { apiLines, controlPlaneLines, rightLines, workloadLine } from './cluster.ts'
export { type MachineFacts, machineFacts, machineLines } from './machine.ts'
export { certificateLine, meshLines, type NodeDump, objectLines } from './mesh.ts'
export { type CheckLine, failure, isPassed, reportText } from './report.ts'
