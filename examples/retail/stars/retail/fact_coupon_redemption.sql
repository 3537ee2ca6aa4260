SELECT household_id, campaign_id, coupon_upc, redemption_date, 1 AS redemptions
FROM cleansed.retail.coupon_redemptions
