export { type PodMark, PodMarks, type PodMarksParts } from './pod-marks.ts'
