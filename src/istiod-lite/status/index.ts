export { type Conditions, editConditions, type StatedCondition } from './conditions.ts'
export { EventRecorder, type EventRecorderParts } from './event-recorder.ts'
export { StatusWriter, type StatusWriterParts } from './status-writer.ts'
export type { EventNote, StatusChange, StatusEdit, StatusPen, StatusSubject, StatusTopic } from './types.ts'
