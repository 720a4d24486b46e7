import { formatPath, type Path, type Report, type Shape } from '#shared/document'

/** A field that is known and not honoured: the object is taken, and its author told. */
export interface FieldNote {
  /** `spec.http[0].match[0].statPrefix`. */
  readonly path: string
  readonly reason: string
}

const NOTED = Symbol('noted')

/** Reports of `notHonoured` go through `report` as everything else; this mark tells them apart. */
interface NotedReport extends Report {
  readonly [NOTED]?: (note: FieldNote) => void
}

/** A field that is there only to be named. */
export function notHonoured(reason: string): Shape<undefined> {
  return (value, path, report: NotedReport) => {
    if (value === undefined) return undefined
    const note = report[NOTED]
    if (note === undefined) report(path, reason)
    else note({ path: formatPath(path), reason })
    return undefined
  }
}

/** Reads a value, and what in it is not honoured. */
export function withNotes<T>(
  shape: Shape<T>,
  value: unknown,
  path: Path,
  report: Report,
): { readonly value: T; readonly notes: readonly FieldNote[] } {
  const notes: FieldNote[] = []
  const noting: NotedReport = Object.assign((at: Path, problem: string) => report(at, problem), {
    [NOTED]: (note: FieldNote) => void notes.push(note),
  })
  return { value: shape(value, path, noting), notes }
}
