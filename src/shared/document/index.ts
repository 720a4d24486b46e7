export { lineOfPath } from './line-of-path.ts'
export {
  anyMap,
  checkedText,
  flag,
  formatPath,
  integer,
  isRecord,
  list,
  oneOf,
  optional,
  type Path,
  type Report,
  record,
  type Shape,
  shown,
  text,
  textMap,
} from './shape.ts'
