import { move } from 'piscina'

export default data => data
export const giveBack = data => move(data)
