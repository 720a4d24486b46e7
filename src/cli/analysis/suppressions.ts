import { CHECKS, type Finding } from '#shared/analysis'
import { MeshError } from '#shared/errors'

/**
 * What a user does not want to hear: `CODE=KIND NAME.NAMESPACE`, with `*` for anything, as istioctl has it.
 * @throws MeshError `CONFIG_INVALID`
 */
export function readSuppressions(given: readonly string[]): (finding: Finding) => boolean {
  const rules = given.map((text) => {
    const [, code = '', pattern = ''] = /^([A-Z0-9]+)=(.+)$/.exec(text) ?? []
    if (!(code in CHECKS))
      throw new MeshError(
        'CONFIG_INVALID',
        `-S ${text}: write a code and whom it is not to be told of, as "IST0118=Service web.shop" or "IST0118=Service *.shop"`,
      )
    const parts = pattern.split('*').map((part) => part.replace(/[.\\+?^${}()|[\]]/g, '\\$&'))
    return { code, matches: new RegExp(`^${parts.join('.*')}$`) }
  })
  return ({ code, object }) => {
    const scope = object.namespace === '' ? '' : `.${object.namespace}`
    const told = `${object.kind.split('.')[0]} ${object.name}${scope}`
    return rules.some((rule) => rule.code === code && rule.matches.test(told))
  }
}
