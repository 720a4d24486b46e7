import { missingPrivileges, privilegeAdvice } from '#shared/sys'

/**
 * Whether this process may make namespaces: `describe.runIf(requirePrivileges())('…', …)`. When it may not, the reason is
 * printed and the tests are skipped; with `MESH_E2E=require` a skip is a failure, so that CI cannot lose them silently.
 */
export function requirePrivileges(): boolean {
  const missing = missingPrivileges()
  if (missing.length === 0) return true
  const advice = privilegeAdvice(missing)
  if (process.env.MESH_E2E === 'require') throw new Error(`MESH_E2E=require, but ${advice}`)
  console.warn(`SKIPPED, ${advice}`)
  return false
}
