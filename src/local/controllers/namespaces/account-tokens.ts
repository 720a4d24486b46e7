import type { Controller, Environment } from '../core/controller.ts'
import { isDeleting, listOf, ownKey, read, refTo, SECRETS, SERVICE_ACCOUNTS } from '../core/kinds.ts'

const TOKEN_TYPE = 'kubernetes.io/service-account-token'
const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
const ACCOUNT_UID = 'kubernetes.io/service-account.uid'

/** Signs a token without an end for a Secret that asks for one; it dies with the Secret or the account. */
export type MintToken = (
  account: { readonly namespace: string; readonly name: string; readonly uid: string },
  secret: { readonly name: string; readonly uid: string },
) => Promise<string>

/** Secrets of type `kubernetes.io/service-account-token`: the token of the account that they name, gone with it. */
export function accountTokens({ access }: Environment, caCertificatePem: string, mintToken: MintToken): Controller {
  return {
    name: 'account-tokens',
    watches: [
      { kind: SECRETS, keysOf: ownKey },
      {
        kind: SERVICE_ACCOUNTS,
        keysOf: ({ object }) =>
          listOf(access, SECRETS, object.metadata.namespace ?? '')
            .filter(({ metadata }) => metadata.annotations?.[ACCOUNT_NAME] === object.metadata.name)
            .flatMap((secret) => ownKey({ object: secret })),
      },
    ],
    async reconcile(key) {
      const secret = read(access, SECRETS, key)
      if (secret === undefined || secret.type !== TOKEN_TYPE || isDeleting(secret)) return undefined
      const { namespace = '', name, uid = '', annotations = {} } = secret.metadata
      const accountName = annotations[ACCOUNT_NAME] ?? ''
      const account = accountName === '' ? undefined : read(access, SERVICE_ACCOUNTS, `${namespace}/${accountName}`)
      const known = annotations[ACCOUNT_UID]
      if (account === undefined || (known !== undefined && known !== account.metadata.uid)) {
        // One that was never filled may have come before its account.
        if (known !== undefined) await access.delete(refTo(SECRETS, secret), { preconditions: { uid } })
        return undefined
      }
      if (secret.data?.token !== undefined && known !== undefined) return undefined
      const accountUid = account.metadata.uid ?? ''
      const token = await mintToken({ namespace, name: accountName, uid: accountUid }, { name, uid })
      const data = { 'ca.crt': base64(caCertificatePem), namespace: base64(namespace), token: base64(token) }
      const metadata = { ...secret.metadata, annotations: { ...annotations, [ACCOUNT_UID]: accountUid } }
      await access.update({ ...secret, metadata, data: { ...secret.data, ...data } })
      return undefined
    },
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
