/**
 * `$(NAME)` becomes the variable's value, `$$` one `$` (so that `$$(NAME)` stays as `$(NAME)`), and what is not known
 * stays as written; as Kubernetes does it, in one pass, so that a value is never looked into again.
 */
export function expand(text: string, valueFor: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (valueFor(name) ?? whole),
  )
}
