"""The router: delivers alerts that a rule wants to one receiver, by e-mail or webhook.

matching    which alerts a rule wants                    pure
marks       what people acknowledged and silenced        pure
deliveries  what became of each alert so far             pure
waiting     what waits, and what may be committed        pure
mail_text   an alert, or many, as a mail                 pure
mail, webhook   the receivers
topics      marks and deliveries, read to their end and followed
loop        poll -> decide -> deliver -> record -> commit
"""
