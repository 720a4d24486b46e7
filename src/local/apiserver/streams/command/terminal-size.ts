/** `{"Width": 80, "Height": 24}`, as clients write it; undefined for anything else. */
export function readSize(text: Buffer): { readonly columns: number; readonly rows: number } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text.toString())
  } catch {
    return undefined
  }
  const { Width: columns, Height: rows } = (value ?? {}) as Readonly<Record<string, unknown>>
  return isSize(columns) && isSize(rows) ? { columns, rows } : undefined
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535
}
