import { ListFields } from '../../../src/waypoint/codec/index.ts'
import { fieldsSuite } from '../../support/fields-suite.ts'

fieldsSuite('HTTP/2', (pairs) => new ListFields(pairs.map(([name, value]) => [name, value])))
